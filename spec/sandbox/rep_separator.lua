-- The separator counts.
-- ends: error "1 MiB"
return string.rep("", 1 << 40, "x")
