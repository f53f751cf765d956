-- A name that never ends.
-- ends: timeout within 30 ms
return list "admins":get({ setmetatable({}, { __tostring = function() while true do end end }) })
