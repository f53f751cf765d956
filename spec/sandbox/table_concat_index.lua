-- A C function as __index would let concat loop over empty texts for ever.
-- ends: error "plain tables"
table.concat(setmetatable({}, { __index = table.concat }), "", 1, 1 << 40)
