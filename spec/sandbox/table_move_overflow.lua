-- The range from the smallest to the largest integer.
-- ends: error "more than 1000000"
table.move({}, math.mininteger, math.maxinteger, 1, {})
