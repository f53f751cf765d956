-- JSON has no NaN and no infinity.
-- ends: wrong_type
-- returns: json
return { 1, 0 / 0, math.huge }
