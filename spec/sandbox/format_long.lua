-- format with a long text for each of many conversions.
-- ends: timeout within 30 ms
local long = ("x"):rep(1000000)
local args = {}
for i = 1, 5000 do args[i] = long end
return (("%.1s"):rep(5000)):format(table.unpack(args))
