-- Tail calls are a loop.
-- ends: timeout within 30 ms
local function f() return f() end
return f()
