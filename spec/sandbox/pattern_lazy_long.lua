-- One lazy repetition on a megabyte is quadratic.
-- ends: timeout within 30 ms
return (("a"):rep(1000000)):find(".-b")
