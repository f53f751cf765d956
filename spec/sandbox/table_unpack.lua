-- unpack onto the stack.
-- ends: error "more than 10000"
return table.unpack({}, 1, 1000000)
