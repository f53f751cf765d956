-- One large empty table, returned many times: each time its slots are walked.
-- ends: timeout|ok|memory
-- budget: 20 ms
-- returns: json
local t, all = {}, {}
for i = 1, 100000 do t[i] = i end
for i = 1, 100000 do t[i] = nil end
for i = 1, 5000 do all[i] = t end
return all
