-- Accounts whose loss is worse than another's. Replace by your own.
return list { "administrator", "admin", "root", "domainadmin" }
