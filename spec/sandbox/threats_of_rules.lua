-- Only agents wait for the store.
-- ends: error "threats is not available to rules"
return threats.similar({})
