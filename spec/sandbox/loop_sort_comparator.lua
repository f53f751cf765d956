-- Where no yield is possible, an error goes up and the hook stays armed.
-- ends: timeout within 30 ms
table.sort({ 3, 2, 1 }, function()
  while true do end
end)
