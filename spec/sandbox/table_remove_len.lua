-- The same for remove.
-- ends: error "plain tables"
table.remove(setmetatable({}, { __len = function() return 1 << 40 end }), 1)
