local refused = sample {
  ["event.category"] = "web", ["source.ip"] = "203.0.113.9", ["http.response.status_code"] = 429,
  ["url.path"] = "/api/orders", ["user.name"] = "acme-key-7",
}

local function seconds(count)
  local times = {}
  for i = 1, count do times[i] = i end
  return times
end

return rule {
  id       = "web.rate_limit_breach",
  title    = "A client goes on above its rate limit",
  version  = 1,
  severity = "low",
  type     = "rate_limit_breach",
  mitre    = { "T1499.002" },
  match    = { any { ["http.response.status_code"] = 429, ["event.action"] = "rate-limit-exceeded" } },
  group    = { by = { "source.ip" }, window = "1m", count = 20 },
  dedup    = { by = { "source.ip" }, window = "30m" },
  context  = { "source.ip", "user.name", "url.path", "user_agent.original" },

  severity_of = function(_, group)
    if group.count >= 200 then return "high" end
    if group.count >= 50 then return "medium" end
  end,

  false_positives = { "A client that does not heed Retry-After" },
  runbook  = "Ask the owner of the key. Block the address when there is none, or when the rate keeps growing.",

  tests = {
    { "twenty refusals in a minute fire once",
      events = at(seconds(20), refused),
      expect = { threats = 1, severity = "low", dedup = "203.0.113.9", type = "rate_limit_breach" } },
    { "nineteen do not", events = at(seconds(19), refused), expect = { threats = 0 } },
    { "fifty are worse", events = at(seconds(50), refused), expect = { threats = 1, severity = "medium", count = 50 } },
    { "a gateway's own word for it counts",
      events = at(seconds(20), sample { ["event.action"] = "rate-limit-exceeded", ["source.ip"] = "203.0.113.9" }),
      expect = { threats = 1 } },
    { "other errors do not",
      events = at(seconds(20), refused:with { ["http.response.status_code"] = 500 }), expect = { threats = 0 } },
  },
}
