-- What lists give counts as memory of the call.
-- ends: memory
-- budget: 2000 ms
local all = {}
while true do all[#all + 1] = list "admins":get("root") end
