-- Memory that is let go again is not held against a rule.
-- ends: timeout within 30 ms
while true do
  local t = {}
  for i = 1, 100 do t[i] = { i } end
end
