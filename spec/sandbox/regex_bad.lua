-- A pattern that is none.
-- ends: error "re: "
return re.test("x", "(")
