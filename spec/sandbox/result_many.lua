-- More entries than a result can hold.
-- ends: wrong_type
-- budget: 500 ms
-- returns: json
local t = {}
for i = 1, 200000 do t[i] = false end
return t
