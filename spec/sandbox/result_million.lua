-- A million entries are too many.
-- ends: wrong_type|memory|timeout
-- budget: 200 ms
-- returns: json
local t = {}
for i = 1, 1000000 do t[i] = i end
return t
