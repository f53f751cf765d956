-- The handler of xpcall runs after unwinding, where hooks reach it.
-- ends: timeout within 30 ms
xpcall(error, function()
  while true do end
end)
