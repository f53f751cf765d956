-- Sorting keys is charged to the budget.
-- ends: timeout within 30 ms
local t = {}
for i = 1, 9000 do t["key" .. i] = i end
while true do
  for _ in pairs(t) do break end
end
