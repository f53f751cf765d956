local function visit(ip)
  return sample {
    ["event.category"] = "authentication", ["event.outcome"] = "success", ["user.name"] = "ana", ["source.ip"] = ip,
  }
end

return rule {
  id       = "network.proxy_network",
  title    = "One account behind several anonymising proxies",
  version  = 1,
  severity = "medium",
  type     = "proxy_network",
  mitre    = { "T1090.003" },
  match    = {
    ["event.category"] = { "authentication", "web" },
    any {
      ["source.ip|cidr"] = list "proxy_networks",
      ["tags"] = { "tor", "vpn", "proxy", "anonymizer" },
    },
  },
  group    = { by = { "user.name" }, window = "30m", distinct = "source.ip", count = 3 },
  dedup    = { by = { "user.name" }, window = "4h" },
  context  = { "user.name", "source.ip", "source.as.organization.name", "source.geo.country_iso_code", "tags" },

  title_of = function(event, group)
    return ("%s through %d proxies: %s"):format(event["user.name"], group.count, table.concat(group.values, ", "))
  end,

  false_positives = { "A person who uses a VPN that changes its exit" },
  runbook  = "Ask the user whether they use a VPN. Otherwise revoke the sessions and watch the account.",

  tests = {
    { "three exits in half an hour fire once", lists = { proxy_networks = { "198.51.100.0/24" } },
      events = { visit "198.51.100.1", visit "198.51.100.2", visit "198.51.100.3" },
      expect = { threats = 1, severity = "medium", dedup = "ana", type = "proxy_network" } },
    { "one exit three times does not", lists = { proxy_networks = { "198.51.100.0/24" } },
      events = at({ 0, 60, 120 }, visit "198.51.100.1"), expect = { threats = 0 } },
    { "a sender that knows its proxies tags them",
      events = {
        visit "203.0.113.1":with { tags = { "tor" } }, visit "203.0.113.2":with { tags = { "tor" } },
        visit "203.0.113.3":with { tags = { "tor" } },
      },
      expect = { threats = 1 } },
    { "ordinary addresses do not", lists = { proxy_networks = { "198.51.100.0/24" } },
      events = { visit "203.0.113.1", visit "203.0.113.2", visit "203.0.113.3" }, expect = { threats = 0 } },
  },
}
