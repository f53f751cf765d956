# awk -v names="fanout hostile" -f bench_page.awk TABLE PAGE: the page with the figures of a run (bench_table.jq) in it.
# Without names the table is the new one; with them, only their rows are, and a line of its own says of which run.
function is_of_run(row,    i) {
  for (i in run)
    if (index(row, "`tools/bench " run[i] "`")) return 1
  return 0
}
BEGIN {
  split(names, run, " ")
  label = names
  gsub(/ /, "`, `", label)
  label = "`" label "`: "
}
FNR == NR {
  if (/^\| / && !/^\| figure /) fresh[++freshes] = $0
  else if (NF && !/^\|/) about = $0
  next
}
!inside || done {
  print
  if (/^<!-- figures -->$/) inside = 1
  next
}
/^## / {
  print_figures()
  print
  done = 1
  next
}
/^\| / { if (names && !/^\| figure / && !is_of_run($0)) rows[++kept] = $0; next }
!/^\|/ && NF { if (names && index($0, label) != 1) abouts[++lines] = $0 }
END { if (!done) print_figures() }
function print_figures(    i) {
  print ""
  for (i = 1; i <= lines; i++) print abouts[i]
  print (names ? (lines ? "\n" : "") label : "") about "\n"
  print "| figure | value | bar | met | command |\n|---|---|---|---|---|"
  for (i = 1; i <= kept; i++) print rows[i]
  for (i = 1; i <= freshes; i++) print fresh[i]
  print ""
}
