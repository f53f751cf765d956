-- Recursion through C functions.
-- ends: error "stack overflow"
local t = setmetatable({}, {})
local function f() return (string.gsub("a", "a", f)) end
return f()
