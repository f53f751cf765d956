-- Keys are names or positions.
-- ends: wrong_type
-- returns: json
return { [{}] = 1, [print] = 2, [1.5] = 3 }
