-- Weak tables would make results depend on the collector.
-- ends: error "weak tables"
setmetatable({}, { __mode = "k" })
