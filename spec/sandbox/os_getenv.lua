-- No environment.
-- ends: error "os has no"
return os.getenv("HOME")
