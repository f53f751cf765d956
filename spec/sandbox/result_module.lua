-- A module's tables are views; what they show is returned.
-- ends: wrong_type
-- returns: json
return require "numbers"
