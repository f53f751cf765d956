-- Records that are in the Elastic Common Schema already (Elastic Agent, Beats, Vector, your own services): taken as
-- they are. It recognises nothing by itself: a record that no other source accepts is read this way too.
return source {
  id = "ecs",
  time = { "@timestamp", "event.created", format = "any" },
  tests = {
    { "a nested record keeps its fields",
      raw = {
        ["@timestamp"] = "2026-01-02T03:04:05Z",
        event = { category = "authentication", outcome = "failure" },
        user = { name = "ana" }, source = { ip = "203.0.113.9" },
      },
      expect = {
        ["event.category"] = "authentication", ["event.outcome"] = "failure",
        ["user.name"] = "ana", ["source.ip"] = "203.0.113.9",
      } },
    { "dotted keys are the same thing",
      raw = { ["user.name"] = "ana", ["source.ip"] = "203.0.113.9" },
      expect = { ["user.name"] = "ana", ["source.ip"] = "203.0.113.9" } },
  },
}
