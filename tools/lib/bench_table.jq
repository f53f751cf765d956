# Reads figures as JSON lines (jq -rs) and prints the table of docs/benchmarks.md: the median of each, in order of
# arrival. $about says what machine and commit, $runs how many runs.
def median: sort | if length % 2 == 1 then .[(length - 1) / 2] else (.[length / 2 - 1] + .[length / 2]) / 2 end;
def is_met($value):
  if .bar == "" then ""
  else (.bar | split(" ")) as [$relation, $limit]
    | if (if $relation == ">=" then $value >= ($limit | tonumber) else $value <= ($limit | tonumber) end)
      then "yes" else "**no**" end
  end;
def thousands: tostring | [while(length > 0; .[:-3]) | .[-3:]] | reverse | join(",");
def shown: if . >= 1000 then (round | thousands) elif . == floor then tostring else (. * 1000 | round / 1000 | tostring) end;
def signs: gsub("<="; "≤") | gsub(">="; "≥");

. as $all
| "\n\($about). The median of \($runs) runs; counts and memory growth of one.\n",
  "| figure | value | bar | met | command |", "|---|---|---|---|---|",
  (reduce $all[] as $one ([]; if index($one.name) then . else . + [$one.name] end)
    | .[]
    | . as $name
    | [$all[] | select(.name == $name)] as $same
    | ([$same[].value] | median) as $value
    | $same[-1]
    | "| \($name) | \($value | shown) \(.unit) | \(.bar | signs) | \(is_met($value)) | `\(.command)` |")
