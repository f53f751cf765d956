-- A __len that lies would make insert loop in C.
-- ends: error "plain tables"
table.insert(setmetatable({}, { __len = function() return 1 << 40 end }), 1, 1)
