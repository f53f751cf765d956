-- Nor one that is inside itself many times; the text stays bounded.
-- ends: wrong_type
-- returns: json
local t = {}
for i = 1, 1000 do t[i] = t end
return t
