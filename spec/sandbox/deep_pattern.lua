-- A pattern with too many parts.
-- ends: error "too complex"
return (("a"):rep(300)):find(("a?"):rep(300))
