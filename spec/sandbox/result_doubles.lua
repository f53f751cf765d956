-- A small graph whose text would be 2^15 times as long.
-- ends: wrong_type
-- returns: json
local t = { "0123456789012345678901234567890123456789" }
for _ = 1, 15 do t = { t, t } end
return t
