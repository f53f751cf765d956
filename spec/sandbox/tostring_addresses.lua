-- Addresses of the heap do not show.
-- ends: ok
assert(tostring({}) == "table" and tostring(print) == "function" and tostring(json.null) == "null")
assert(("%s"):format({}) == "table")
assert(not pcall(string.format, "%p", {}))
