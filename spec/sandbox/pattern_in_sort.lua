-- A pattern that takes too long where no yield is possible.
-- ends: timeout within 30 ms
local text = ("a"):rep(300)
table.sort({ 1, 2 }, function()
  return text:find((".-"):rep(6) .. "b")
end)
