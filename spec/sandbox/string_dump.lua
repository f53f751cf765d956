-- string.dump is reachable from any text unless it is not there.
-- ends: error "string.dump is not available"
return ("").dump(function() end)
