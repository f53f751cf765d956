-- Sorting texts that differ only at their end compares megabytes.
-- ends: timeout within 30 ms
local t, long = {}, ("\0"):rep(200000)
for i = 1, 30 do t[i] = long .. i end
while true do table.sort(t) end
