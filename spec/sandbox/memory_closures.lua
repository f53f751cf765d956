-- Closures are memory too.
-- ends: memory within 100 ms
-- budget: 500 ms
local held = {}
for i = 1, 1e9 do held[i] = function() return i end end
