-- Three events of one user within ten minutes are a threat: what a crash or a reload must not forget.
local knock = sample { ["event.action"] = "e2e-knock", ["user.name"] = "ana" }

return rule {
  id = "e2e.grouped",
  title = "Three knocks of one user",
  version = 1,
  severity = "medium",
  type = "rate_limit_breach",
  match = { ["event.action"] = "e2e-knock" },
  group = { by = { "user.name" }, window = "10m", count = 3 },
  dedup = { by = { "user.name" }, window = "1h" },
  context = { "user.name" },
  tests = {
    { "three fire once", events = at({ 0, 60, 120 }, knock), expect = { threats = 1, dedup = "ana" } },
    { "two do not", events = at({ 0, 60 }, knock), expect = { threats = 0 } },
    { "three in an hour do not", events = at({ 0, 1200, 2400 }, knock), expect = { threats = 0 } },
  },
}
