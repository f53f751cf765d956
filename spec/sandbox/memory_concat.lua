-- A text that doubles.
-- ends: memory within 100 ms
-- budget: 500 ms
local s = "x"
while true do
  pcall(function() s = s .. s end)
end
