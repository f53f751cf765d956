-- xpcall gives the handler the error.
-- ends: ok
local ok, e = xpcall(function() error("boom", 0) end, function(m) return "h:" .. m end)
assert(not ok and e == "h:boom")
local done, a, b = xpcall(function(...) return ... end, print, 1, nil)
assert(done and a == 1 and b == nil)
