-- Trimming the end of 200 KB of spaces is quadratic.
-- ends: timeout within 30 ms
return ((" "):rep(200000) .. "x"):find("%s+$")
