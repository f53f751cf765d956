-- The same through gmatch.
-- ends: timeout within 30 ms
for _ in ((" "):rep(200000) .. "x"):gmatch("%s+$") do end
