-- utf8 works within its bounds.
-- ends: ok
assert(utf8.len("h\u{e9}") == 2)
assert(not pcall(utf8.codepoint, ("x"):rep(1000000), 1, -1))
