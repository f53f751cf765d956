-- Sorting a module in place.
-- ends: error "plain tables"
table.sort(require "numbers")
