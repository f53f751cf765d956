-- No globals, so nothing that one call leaves for the next.
-- ends: error "write `local counter`"
counter = 1
