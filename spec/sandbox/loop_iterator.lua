-- A for loop over an iterator that never ends.
-- ends: timeout within 30 ms
for _ in function() return 1 end do end
