-- What a module returned is read-only.
-- ends: error "numbers.sum is read-only"
require("numbers").sum = 1
