-- An error without a value.
-- ends: error "not a text but a nil"
error(nil)
