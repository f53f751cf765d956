-- Six lazy repetitions on 300 bytes: more steps than there is time.
-- ends: timeout within 30 ms
local text = ("a"):rep(300)
return text:find((".-"):rep(6) .. "b")
