-- Nor through a text.
-- ends: error "attempt to index a string value"|error "read-only"|error "attempt to"
("").upper = nil
