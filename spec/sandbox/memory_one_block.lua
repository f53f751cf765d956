-- One request larger than all there is.
-- ends: memory|error "not enough memory" within 60 ms
-- budget: 500 ms
return string.pack("c2000000000", "x")
