-- Twenty repetitions of the same letter.
-- ends: timeout within 30 ms
return (("a"):rep(40)):find(("a*"):rep(20) .. "b")
