-- Decoding for ever.
-- ends: timeout within 30 ms
local text = "[" .. ("1,"):rep(1000) .. "1]"
while true do json.decode(text) end
