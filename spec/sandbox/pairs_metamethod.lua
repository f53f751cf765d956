-- __pairs works as in Lua.
-- ends: ok
local t = setmetatable({}, { __pairs = function() return function(_, k) if not k then return 1, 2 end end, nil, nil end })
for k, v in pairs(t) do assert(k == 1 and v == 2) end
