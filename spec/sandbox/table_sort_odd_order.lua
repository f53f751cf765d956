-- A comparator that contradicts itself ends all the same.
-- ends: ok
local t = {}
for i = 1, 200 do t[i] = i % 7 end
table.sort(t, function() return true end)
assert(#t == 200)
