-- A text of 1 MiB, less a little.
-- ends: wrong_type
-- returns: json
return { text = ("x"):rep(1000000) }
