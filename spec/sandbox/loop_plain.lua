-- A loop without end is stopped.
-- ends: timeout within 30 ms
while true do end
