-- Every event of this kind is a threat of its own per user.
return rule {
  id = "e2e.single",
  title = "One event is a threat",
  version = 1,
  severity = "high",
  type = "anomaly_detection",
  match = { ["event.action"] = "e2e-single" },
  dedup = { by = { "user.name" }, window = "1h" },
  context = { "user.name", "source.ip" },
  title_of = function(event) return "Seen: " .. event["user.name"] end,
  tests = {
    { "one fires", events = at({ 0 }, sample { ["event.action"] = "e2e-single", ["user.name"] = "ana" }),
      expect = { threats = 1, title = "Seen: ana", dedup = "ana" } },
    { "another action does not", events = at({ 0 }, sample { ["event.action"] = "other", ["user.name"] = "ana" }),
      expect = { threats = 0 } },
  },
}
