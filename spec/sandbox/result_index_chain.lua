-- Inherited names are not part of a result.
-- ends: ok
-- returns: json
local base = {}
base.__index = base
for i = 1, 1000 do base["name" .. i] = base end
return { setmetatable({}, base), setmetatable({ own = 1 }, { __index = base }) }
