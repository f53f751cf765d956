-- No files.
-- ends: error "io is not available"
io.open("/etc/passwd")
