-- Nor by way of table.
-- ends: error "plain tables"
table.insert(_ENV, 1)
