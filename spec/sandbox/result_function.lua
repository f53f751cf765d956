-- Code has no JSON form, wherever it stands.
-- ends: wrong_type
-- returns: json
return { a = { b = { print } } }
