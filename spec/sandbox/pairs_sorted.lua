-- pairs goes by numbers, texts, false, true.
-- ends: ok
local t = { [true] = 1, [false] = 2, b = 3, a = 4, [2.5] = 5, [-1] = 6, [1] = 7, ["10"] = 8 }
local keys = {}
for k in pairs(t) do keys[#keys + 1] = tostring(k) end
assert(table.concat(keys, " ") == "-1 1 2.5 10 a b false true")
