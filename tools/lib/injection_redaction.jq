# Scores what left the process against the published cases of redaction. Requests in as one array; $cases: the file (--slurpfile).
# A case's expected text names the sensitive pieces by what replaced them; a piece counts as found when it left in no
# request, as missed when it did; names of people in free text and addresses of hosts are not promised and counted apart.
def pieces($input; $expected):
  [$expected | match("\\*{4,}|\\[REDACTED_[A-Z_]+\\d*\\]"; "g") | {at: .offset, length, kind: .string}] as $holes
  | reduce range($holes | length) as $i ({at: 0, out: [], done: 0};
      $holes[$i] as $hole | ($hole.at - .done) as $literal | (.at + $literal) as $begin
      | ($hole.at + $hole.length) as $next
      | ($expected[$next:(($holes[$i + 1].at) // ($expected | length))][:6]) as $after
      | (if $after == "" then ($input | length)
         else (($input[$begin:] | index($after)) as $found | if $found then $begin + $found else ($input | length) end)
         end) as $stop
      | .out += [{text: $input[$begin:$stop], kind: $hole.kind}] | .at = $stop | .done = $next)
  | .out;
([.[] | (.body.messages[1].content // "") as $text | ($text | capture("\\brc-(?<n>\\d+)").n) as $n
   | {key: $n, value: ($text | [scan("(?m)^E\\d+ message.*$")] | join("\n"))}] | from_entries) as $left
| [$cases[0] | to_entries[] | select(.value.scanner != "invisible_text") | .key as $n | .value.values as $v
   | select(($v[0] | type) == "string" and ($v[1] | type) == "string" and $left["\($n)"] != null)
   | $left["\($n)"] as $text | ($v[1] | sub("^[\\s\\S]*Prompt: "; "")) as $expected
   | pieces($v[0]; $expected) as $pieces
   | {pieces: [$pieces[] | select((.text | length) > 0)
        | {kind, text, gone: (.text as $t | [$t | split("\n")[] | select(length > 3)]
             | all(.[]; . as $line | $text | contains($line | tojson[1:-1]) | not))}],
      excess: (if $pieces == [] then [$text | scan("\\[(?:SECRET:|EMAIL_|PHONE_|SSN_|PERSON_)")] | length else 0 end)}]
| [.[].pieces[]] as $all
| {cases: length,
   found: [$all[] | select((.kind | test("PERSON|IP_ADDRESS") | not) and .gone)] | length,
   missed: [$all[] | select((.kind | test("PERSON|IP_ADDRESS") | not) and (.gone | not))] | length,
   excess: ([.[].excess] | add // 0),
   names_not_promised: [$all[] | select((.kind | test("PERSON")) and (.gone | not))] | length,
   missed_texts: [$all[] | select((.kind | test("PERSON|IP_ADDRESS") | not) and (.gone | not)) | .text],
   addresses_stay: [$all[] | select(.kind | test("IP_ADDRESS"))] | length}
| .recall = (.found / ([.found + .missed, 1] | max)) | .precision = (.found / ([.found + .excess, 1] | max))
