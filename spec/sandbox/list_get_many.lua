-- A million questions cost what they cost.
-- ends: timeout within 30 ms
local names = {}
for i = 1, 100000 do names[i] = i end
while true do list "admins":get(names) end
