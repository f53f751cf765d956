-- ipairs follows __index; a function there can go on for ever.
-- ends: timeout within 30 ms
for _ in ipairs(setmetatable({}, { __index = function(_, i) return i end })) do end
