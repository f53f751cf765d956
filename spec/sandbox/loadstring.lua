-- Under no name.
-- ends: error "loadstring is not available"
return loadstring("return 1")()
