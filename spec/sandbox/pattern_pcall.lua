-- A pcall around a pattern that takes too long.
-- ends: timeout within 30 ms
local text = ("a"):rep(300)
while true do pcall(string.find, text, (".-"):rep(6) .. "b") end
