# Strings of the collection in, as one array; twins out, too: {n, surface, label, category, id, text, clean}. One clean twin a
# surface comes first, with an ordinary value; then each string on each surface, or with $rotate on one of them.
# A twin differs from the clean one of its surface in that value alone, besides its number, by which it is found again.
def ordinary: {
  user_agent: "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", url: "/api/orders",
  referrer: "https://shop.example/basket", command_line: "nightly copy", dns_name: "pool.lab.example",
  user_name: "ana", subject: "Minutes of Monday", note: "Looked at it; more after the call with the owner."};
(ordinary | to_entries) as $surfaces
| [$surfaces[] | {surface: .key, text: .value, clean: true, label: "clean", category: "", id: ""}]
  + [to_entries[] | .key as $i | .value as $string
     | (if $rotate then [$surfaces[$i % ($surfaces | length)]] else $surfaces end)[]
     | {surface: .key, text: $string.text, clean: false, id: $string.id, category: $string.category,
        label: $string.label}]
| [to_entries[] | .value + {n: .key}]
