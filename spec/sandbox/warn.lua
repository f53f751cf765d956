-- No writing to stderr.
-- ends: error "use log.warn"
warn("@on")
