-- A call writes so many lines and no more.
-- ends: ok
for i = 1, 1000 do log.info("line " .. i) end
