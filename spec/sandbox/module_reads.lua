-- A module reads like any table.
-- ends: ok
local numbers = require "numbers"
assert(numbers == require "numbers")
assert(numbers.sum(1, 2) == 3)
assert(numbers.inner.x == 7 and #numbers == 3 and numbers[2] == 20)
local keys = {}
for k in pairs(numbers) do keys[#keys + 1] = tostring(k) end
assert(table.concat(keys, ",") == "1,2,3,inner,sum")
local sum = 0
for _, n in ipairs(numbers) do sum = sum + n end
assert(sum == 60 and table.concat(numbers, "+") == "10+20+30")
assert(select("#", table.unpack(numbers)) == 3)
