-- Back references compare long texts again and again.
-- ends: timeout within 30 ms
return (("a"):rep(500000)):find("(.+)%1b")
