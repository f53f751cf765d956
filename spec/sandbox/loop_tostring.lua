-- The same in a __tostring that a library function calls.
-- ends: timeout within 30 ms
tostring(setmetatable({}, { __tostring = function()
  while true do end
end }))
