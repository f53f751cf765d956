-- A __call that is a table would be walked inside the VM, quadratically, where no hook looks.
-- ends: error "__call must be a function"
local mt = {}
local t = setmetatable({}, mt)
mt.__call = t
t = setmetatable(t, mt)
return t()
