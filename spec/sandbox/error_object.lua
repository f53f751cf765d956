-- An error object is not asked for its text.
-- ends: error "not a text but a table"
error(setmetatable({}, { __tostring = function()
  while true do end
end }))
