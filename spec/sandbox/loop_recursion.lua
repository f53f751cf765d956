-- A recursion without end uses up memory or time, not the process.
-- ends: timeout|memory within 30 ms
local function f(n) return 1 + f(n + 1) end
return f(1)
