-- Five thousand pending __close handlers get one instruction each.
-- ends: timeout within 30 ms
local function close()
  while true do end
end
local mt = { __close = close }
local function f(n)
  local x <close> = setmetatable({}, mt)
  if n > 0 then return (f(n - 1)) end
  while true do end
end
f(5000)
