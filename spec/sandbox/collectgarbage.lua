-- The host collects.
-- ends: error "collectgarbage is not available"
collectgarbage("stop")
