-- Comparing long texts of NUL bytes, which the C library does one by one.
-- ends: timeout within 30 ms
local a, b = ("\0"):rep(1000000), ("\0"):rep(999999)
while a > b do end
