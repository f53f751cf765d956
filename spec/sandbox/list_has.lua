-- Lists are asked at run time.
-- ends: ok
assert(list "admins":has("root"))
assert(not list "admins":has("ana"))
assert(not list "admins":has(nil))
assert(list "admins":has({ "ana", "root" }))
