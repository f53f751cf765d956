-- A table inside itself has no JSON form.
-- ends: wrong_type
-- returns: json
local t = { name = "x" }
t.inner = { t }
return t
