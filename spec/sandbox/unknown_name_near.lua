-- A name misspelt.
-- ends: error "did you mean tostring"
return tostrin(1)
