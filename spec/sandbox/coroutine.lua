-- A coroutine made before the hook is armed would never see it.
-- ends: error "coroutine is not available"
coroutine.wrap(function()
  while true do end
end)()
