-- Only agents wait for the store.
-- ends: error "observations is not available to rules"
return observations.list {}
