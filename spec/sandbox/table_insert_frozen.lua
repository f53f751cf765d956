-- Nor by the functions of table.
-- ends: error "plain tables"
table.insert(string, 1)
