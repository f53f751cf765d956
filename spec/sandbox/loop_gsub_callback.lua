-- The same in the callback of gsub.
-- ends: timeout within 30 ms
string.gsub("abc", ".", function()
  while true do end
end)
