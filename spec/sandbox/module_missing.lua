-- A module that is not there.
-- ends: error "no module \"nowhere\""
require "nowhere"
