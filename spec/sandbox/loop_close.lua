-- A __close handler that loops is cut off like the rest.
-- ends: timeout within 30 ms
local x <close> = setmetatable({}, { __close = function()
  while true do end
end })
while true do end
