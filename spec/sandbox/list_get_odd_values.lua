-- Odd values are in no list.
-- ends: ok
local list_of = list "admins"
for _, value in ipairs { 0 / 0, math.huge, -0.0, math.mininteger, true, false, "", "\0", "\xff", ("x"):rep(1000000),
                         print, { { "root" } }, { print, {}, false }, list_of, string } do
  assert(list_of:get(value) == nil)
end
assert(list_of:get(setmetatable({}, { __tostring = function() return "root" end, __index = string })) == nil)
assert(list_of:get({ setmetatable({}, { __tostring = function() return "root" end }) }).criticality == "high")
assert(not pcall(list_of.get, nil, "root") and not pcall(list_of.get, {}, "root") and not pcall(list_of.get))
assert(not pcall(list_of.get, "admins", "root"))
