-- No files.
-- ends: error "dofile is not available"
dofile("/etc/passwd")
