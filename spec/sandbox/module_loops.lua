-- A module that loops while it loads.
-- ends: timeout within 30 ms
require "loops"
