-- The words of files exist only while a file loads.
-- ends: error "action exists only while the file loads"
return action {}
