-- table.move takes a range that a script may claim to be anything.
-- ends: error "more than 1000000"
table.move({}, 1, 1 << 40, 2, {})
