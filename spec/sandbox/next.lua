-- next has a random order.
-- ends: error "use pairs"
return next({})
