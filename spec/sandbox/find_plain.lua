-- A plain search takes time linear in the text.
-- ends: ok within 30 ms
local text, word = ("a"):rep(1000000), ("a"):rep(500000) .. "b"
assert(not text:find(word, 1, true))
