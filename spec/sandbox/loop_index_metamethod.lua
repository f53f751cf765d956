-- A metamethod that loops.
-- ends: timeout within 30 ms
local t = setmetatable({}, { __index = function()
  while true do end
end })
return t.x
