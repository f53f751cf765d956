-- Modules that require each other.
-- ends: error "requires itself"
require "circle"
