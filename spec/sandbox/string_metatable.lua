-- The metatable of texts is shared by all rules.
-- ends: error "getmetatable is not available"
getmetatable("").__index.upper = function() return "" end
