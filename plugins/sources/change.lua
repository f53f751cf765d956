-- Changes to your own systems, sent by whoever makes them (a deployment job, a configuration tool, an on-call page):
-- POST /api/events/change. What comes by this source is also kept for a week, so that an analysis can say "this
-- began with a deployment". The id is reserved: events of a source called "change" are kept as changes.
-- Plain JSON and ECS names both work; {"kind": "deployment", "service": "api", "status": "succeeded"} is enough.
return source {
  id     = "change",
  route  = { category = "change" },
  time   = { "@timestamp", "time", "timestamp", "event.created", format = "any" },
  fields = {
    ["change.status"]       = { "change.status", "status", as = "lower" }, -- started, succeeded, failed, rolled_back
    ["change.id"]           = { "change.id", "id", as = "string" },        -- of the deployment or ticket
    ["service.name"]        = { "service.name", "service" },
    ["service.version"]     = { "service.version", "version", as = "string" },
    ["service.environment"] = { "service.environment", "environment" },
    ["host.name"]           = { "host.name", "host", "hostname" },
    ["user.name"]           = { "user.name", "user", "author" },
    ["event.start"]         = { "event.start", "start", "started_at", as = "timestamp" },
    ["event.end"]           = { "event.end", "end", "finished_at", as = "timestamp" },
    ["message"]             = { "message", "description", "summary" },
    ["url.full"]            = { "url.full", "url", "link" },
    ["tags"]                = { "tags", "labels" },
  },
  values = {
    ["change.kind"] = {
      from = "kind",
      deployment = "deployment", deploy = "deployment", release = "deployment", rollback = "deployment",
      config = "config", configuration = "config",
      outage = "outage", incident = "outage",
      maintenance = "maintenance",
    },
  },
  const  = { ["event.module"] = "change" },
  tests  = {
    { "a deployment in plain JSON",
      raw = {
        kind = "deploy", service = "api", version = "2.14.0", environment = "production", status = "Succeeded",
        host = "web-01", user = "ana", id = 4711, message = "New rate limits", url = "https://ci.example.com/4711",
        time = "2026-01-02T03:04:05Z", started_at = "2026-01-02T03:01:00+01:00",
      },
      expect = {
        ["change.kind"] = "deployment", ["change.status"] = "succeeded", ["change.id"] = "4711",
        ["service.name"] = "api", ["service.version"] = "2.14.0", ["service.environment"] = "production",
        ["host.name"] = "web-01", ["user.name"] = "ana", ["message"] = "New rate limits",
        ["url.full"] = "https://ci.example.com/4711", ["event.start"] = "2026-01-02T02:01:00.000Z",
        ["event.module"] = "change", ["event.quality"] = null,
      } },
    { "the same in ECS, nested",
      raw = {
        ["@timestamp"] = "2026-01-02T03:04:05Z", change = { kind = "config", status = "started" },
        service = { name = "billing" }, host = { name = "db-01" }, user = { name = "bo" }, tags = { "planned", "db" },
      },
      expect = {
        ["change.kind"] = "config", ["change.status"] = "started", ["service.name"] = "billing",
        ["host.name"] = "db-01", ["user.name"] = "bo", ["event.quality"] = null,
      } },
    { "an outage and a maintenance have their kinds",
      raw = { kind = "incident", service = "dns", time = 1767323045 },
      expect = { ["change.kind"] = "outage", ["service.name"] = "dns", ["host.name"] = null } },
    { "another kind is kept as it came",
      raw = { kind = "party", service = "dns", time = "2026-01-02T03:04:05Z" },
      expect = { ["change.kind"] = "party", ["service.name"] = "dns" } },
  },
}
