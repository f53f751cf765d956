-- Handlers that call xpcall again end like other calls.
-- ends: timeout|memory within 30 ms
local function f() xpcall(error, f) end
while true do pcall(f) end
