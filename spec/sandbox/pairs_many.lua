-- pairs has a limit.
-- ends: error "more than 10000 keys"
local t = {}
for i = 1, 10001 do t[i] = i end
for _ in pairs(t) do end
