-- A document nested too deep.
-- ends: ok
local value, err = json.decode(("["):rep(1000) .. ("]"):rep(1000))
assert(value == nil and type(err) == "string")
