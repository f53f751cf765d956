-- concat over a range without end.
-- ends: error "more than 1000000"
table.concat({}, "", 1, 1 << 40)
