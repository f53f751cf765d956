local request = sample {
  ["event.category"] = "web", ["source.ip"] = "203.0.113.9", ["user_agent.original"] = "python-requests/2.31.0",
  ["url.path"] = "/login", ["http.request.method"] = "POST", ["organization.id"] = "acme",
}

local function seconds(count)
  local times = {}
  for i = 1, count do times[i] = (i - 1) * 2 end
  return times
end

return rule {
  id       = "web.bot_traffic",
  title    = "A script sends many requests",
  version  = 1,
  severity = "medium",
  type     = "bot_traffic",
  mitre    = { "T1595.002" },
  match    = {
    ["event.category"] = "web",
    ["user_agent.original|contains"] = list "automation_agents",
    none { ["source.ip|cidr"] = list "corporate_networks" },
  },
  group    = { by = { "source.ip" }, window = "1m", count = 30 },
  dedup    = { by = { "source.ip" }, window = "1h" },
  context  = { "source.ip", "user_agent.original", "url.path", "http.request.method", "source.as.organization.name" },

  severity_of = function(event)
    if event:is("url.path|contains", { "login", "signin", "password", "otp" }) then return "high" end
  end,

  false_positives = { "A partner's integration, a monitoring probe" },
  runbook  = "Compare the address with your partners'. Limit or challenge it at the edge.",

  tests = {
    { "thirty requests in a minute fire once, and sign-in pages are worse",
      lists = { automation_agents = { "python-requests" } }, events = at(seconds(30), request),
      expect = { threats = 1, severity = "high", dedup = "203.0.113.9", type = "bot_traffic" } },
    { "on other pages it is medium",
      lists = { automation_agents = { "python-requests" } },
      events = at(seconds(30), request:with { ["url.path"] = "/prices" }),
      expect = { threats = 1, severity = "medium" } },
    { "twenty-nine do not",
      lists = { automation_agents = { "python-requests" } }, events = at(seconds(29), request),
      expect = { threats = 0 } },
    { "a browser does not",
      lists = { automation_agents = { "python-requests" } },
      events = at(seconds(30), request:with { ["user_agent.original"] = "Mozilla/5.0 (X11; Linux x86_64)" }),
      expect = { threats = 0 } },
    { "our own probes do not",
      lists = { automation_agents = { "python-requests" }, corporate_networks = { "203.0.113.9/32" } },
      events = at(seconds(30), request), expect = { threats = 0 } },
  },
}
