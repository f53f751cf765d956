-- A name without quotes.
-- ends: error "no such name: failure"
return failure == 1
