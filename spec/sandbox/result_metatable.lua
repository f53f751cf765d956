-- What is returned as JSON is read raw: no metamethod runs.
-- ends: ok
-- returns: json
local function never() while true do end end
return setmetatable({ a = { 1, 2 } }, {
  __index = never, __pairs = never, __len = never, __tostring = never, __close = never, __eq = never, __lt = never,
})
