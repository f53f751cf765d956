-- A text grows to a megabyte and no further.
-- ends: error "1 MiB"
return ("x"):rep(1 << 40)
