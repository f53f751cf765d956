-- A rule gives the same answer each time.
-- ends: error "math.random is not available"
return math.random()
