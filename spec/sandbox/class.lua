-- Objects with methods work as in Lua.
-- ends: ok
local Stack = {}
Stack.__index = Stack
function Stack.new() return setmetatable({ n = 0 }, Stack) end
function Stack:push(v)
  self.n = self.n + 1
  self[self.n] = v
end
local s = Stack.new()
s:push("a")
assert(s.n == 1 and s[1] == "a")
local v = setmetatable({}, { __add = function() return "sum" end, __call = function(_, x) return x end })
assert(v + 1 == "sum" and v(5) == 5)
