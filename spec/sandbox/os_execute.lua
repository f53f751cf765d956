-- No processes.
-- ends: error "os has no"
os.execute("true")
