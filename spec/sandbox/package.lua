-- No search paths.
-- ends: error "package is not available"
return package.loadlib
