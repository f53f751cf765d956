-- A list that is not there.
-- ends: error "there is no such list"
return list "nobody":get("x")
