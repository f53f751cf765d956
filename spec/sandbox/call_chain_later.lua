-- What is added to a metatable after setmetatable does not count.
-- ends: error "attempt to call a table value"
local mt = {}
local t = setmetatable({}, mt)
mt.__call = t
return t()
