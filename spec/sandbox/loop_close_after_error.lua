-- A handler that is pending when the function raises does not run on.
-- ends: error "boom" within 30 ms
local x <close> = setmetatable({}, { __close = function()
  while true do end
end })
error("boom")
