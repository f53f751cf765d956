-- Escapes make a text six times as long; the limit counts them.
-- ends: wrong_type
-- returns: json
return { ("\0"):rep(200 * 1024) }
