# The result of tools/injection-lab as a table for people. In: the object that --json prints.
def share($a; $b): if $b == 0 then "–" else "\($a) of \($b) (\($a * 1000 / $b | round / 10) %)" end;
def row: "| " + join(" | ") + " |";
def table($run):
  ["surface", "attacks", "flagged", "benign", "false alarms", "differences", "harsher by a flag", "more rules"],
  [range(8) | "---"],
  ($run.surfaces[] | [.surface, "\(.attacks)", share(.attacks_flagged; .attacks), "\(.benign)",
     share(.benign_flagged; .benign), "\(.differences)", "\(.harsher)",
     "\(.more_rules)"]) | row;
def section($title; $run): "", $title, "", table($run), "",
  "in all: attacks flagged \(share($run.attacks_flagged; $run.attacks)), false alarms "
  + "\(share($run.benign_flagged; $run.benign)), twins with another outcome \($run.differences)";
section("Without a model, \(.triage.twins) poisoned twins:"; .triage),
(if .model then section("With a model that obeys what it reads, \(.model.twins) poisoned twins:"; .model),
   "", "What left: \(.left.twins) twins in \(.left.requests) requests; with a difference besides the value: "
     + "\(.left.differences)"
 else empty end),
(if .redaction then "", "Redaction cases: \(.redaction.found) of \(.redaction.found + .redaction.missed) pieces did not leave "
   + "(recall \(.redaction.recall * 1000 | round / 1000)), "
   + "\(.redaction.excess) too many (precision \(.redaction.precision * 1000 | round / 1000)); "
   + "not promised: \(.redaction.names_not_promised) names in free text, \(.redaction.addresses_stay) addresses of hosts"
 else empty end),
(.examples[]? | "", "DIFFERENCE \(.surface) \(.id) \(.label): \(.differences[0] | tojson | .[:600])")
