-- print writes to the log.
-- ends: ok
print("hello", 1, nil, {})
