-- debug opens everything.
-- ends: error "debug is not available"
return debug.getregistry()
