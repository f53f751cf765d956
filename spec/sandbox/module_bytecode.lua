-- A module in bytecode.
-- ends: error "attempt to load a binary chunk"
require "bytecode"
