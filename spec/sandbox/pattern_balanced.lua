-- %b on a text full of openings.
-- ends: timeout within 30 ms
return (("("):rep(1000000)):find("%b()")
