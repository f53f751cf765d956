-- A table inside itself has no JSON form.
-- ends: error "nested deeper"
local t = {}
t[1] = t
return json.encode(t)
