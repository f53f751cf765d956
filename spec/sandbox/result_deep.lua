-- Nesting has a limit, and is not followed by recursion beyond it.
-- ends: wrong_type
-- budget: 500 ms
-- returns: json
local t = {}
for _ = 1, 20000 do t = { t } end
return t
