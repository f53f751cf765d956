-- The same without its function.
-- ends: ok
-- returns: json
return { require("numbers").inner, require("numbers").inner.x }
