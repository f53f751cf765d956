-- The same with a pcall inside of the comparator.
-- ends: timeout within 30 ms
while true do
  pcall(table.sort, { 3, 2, 1 }, function()
    while true do
      pcall(function()
        while true do end
      end)
    end
  end)
end
