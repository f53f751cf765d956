-- The environment cannot be opened.
-- ends: error "protected metatable"
setmetatable(_ENV, nil)
