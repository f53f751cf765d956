-- A message longer than there is room for.
-- ends: error "xxxx"
error(("x"):rep(100000))
