-- Nor by rawset.
-- ends: error "rawset is not available"
rawset(string, "upper", 1)
