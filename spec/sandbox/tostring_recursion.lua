-- A __tostring that calls tostring on itself.
-- ends: error "stack overflow"
local t = setmetatable({}, { __tostring = tostring })
return tostring(t)
