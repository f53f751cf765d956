-- Code is what stands in files.
-- ends: error "load is not available"
return load("return 1")()
