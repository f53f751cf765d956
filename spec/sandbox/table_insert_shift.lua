-- Inserting at the front of a long list, for ever.
-- ends: timeout within 30 ms
local t = {}
for i = 1, 20000 do t[i] = i end
while true do
  table.insert(t, 1, 0)
  table.remove(t, 1)
end
