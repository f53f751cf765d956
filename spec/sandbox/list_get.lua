-- What a list says of an entry is a fresh table each time.
-- ends: ok
local list_of = list "admins"
local root = list_of:get("root")
assert(root.criticality == "high" and root.tags[2] == "b")
root.criticality = nil
root.tags[1] = root
assert(list_of:get("root").criticality == "high" and list_of:get("root").tags[1] == "a")
assert(#list_of:get("bare") == 0 and list_of:get("ana") == nil)
assert(list_of:get(nil) == nil and list_of:get(json.null) == nil and list_of:get() == nil)
assert(list_of:get({ "ana", "root" }).criticality == "high" and list_of:get({}) == nil)
