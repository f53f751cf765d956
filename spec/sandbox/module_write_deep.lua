-- Down to its inner tables.
-- ends: error "is read-only"
require("numbers").inner.x = 1
