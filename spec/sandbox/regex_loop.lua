-- Regular expressions without end.
-- ends: timeout within 30 ms
while true do re.test("some text", "x+y") end
