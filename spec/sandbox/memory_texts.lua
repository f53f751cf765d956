-- Many texts of moderate size.
-- ends: memory within 100 ms
-- budget: 500 ms
local held = {}
for i = 1, 1e9 do held[i] = ("x"):rep(100000) .. i end
