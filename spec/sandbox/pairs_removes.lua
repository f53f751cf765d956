-- What is removed while pairs walks does not come.
-- ends: ok
local t, seen = { a = 1, b = 2, c = 3 }, {}
for k in pairs(t) do
  seen[#seen + 1] = k
  t.b = nil
end
assert(table.concat(seen) == "ac")
