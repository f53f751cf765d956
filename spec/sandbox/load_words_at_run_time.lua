-- The words of a rule file exist only while it loads.
-- ends: error "rule exists only while the file loads"
return rule { id = "x" }
