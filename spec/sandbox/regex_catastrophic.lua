-- A regular expression that backtracks without end.
-- ends: error "too many steps" within 30 ms
return re.test(("a"):rep(60) .. "!", "^(a+)+$")
