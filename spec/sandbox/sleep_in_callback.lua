-- Callbacks cannot wait.
-- ends: error "sleep waits"
sleep(1)
