-- Protected calls nested as deep as they go unwind at once, not level by level. (Each error lets them go on deeper.)
-- ends: timeout|memory within 30 ms
local function f()
  while true do pcall(f) end
end
f()
