-- Memory that a pcall lets go on asking for.
-- ends: memory within 100 ms
-- budget: 500 ms
local held = {}
while true do
  pcall(function()
    for i = 1, 1e9 do held[#held + 1] = { i } end
  end)
end
