local lookup = sample { ["dns.question.name"] = "xmr-eu1.nanopool.org", ["host.name"] = "build-07" }

return rule {
  id       = "network.crypto_mining",
  title    = "A host talks to cryptocurrency mining pools",
  version  = 1,
  severity = "medium",
  type     = "anomaly_detection",
  mitre    = { "T1496.001" },
  match    = {
    any {
      ["dns.question.name|endswith"]  = list "mining_pools",
      ["destination.domain|endswith"] = list "mining_pools",
      { ["network.protocol"] = "stratum" },
    },
  },
  group    = { by = { "host.name" }, window = "5m", count = 5 },
  dedup    = { by = { "host.name" }, window = "12h" },
  context  = { "host.name", "dns.question.name", "destination.domain", "destination.ip", "process.executable" },

  title_of = function(event) return "Mining traffic from " .. event["host.name"] end,
  severity_of = function(_, group)
    if group.count >= 50 then return "high" end
  end,

  false_positives = { "Research on cryptocurrencies" },
  runbook  = "Find the process. A miner on a server usually came through a vulnerability: look for how it got in.",

  tests = {
    { "five look-ups in five minutes fire once", lists = { mining_pools = { "nanopool.org" } },
      events = at({ 0, 30, 60, 90, 120 }, lookup),
      expect = { threats = 1, severity = "medium", dedup = "build-07", title = "Mining traffic from build-07" } },
    { "four do not", lists = { mining_pools = { "nanopool.org" } },
      events = at({ 0, 30, 60, 90 }, lookup), expect = { threats = 0 } },
    { "a name that only looks alike does not", lists = { mining_pools = { "nanopool.org" } },
      events = at({ 0, 30, 60, 90, 120 }, lookup:with { ["dns.question.name"] = "nanopool.org.example.com" }),
      expect = { threats = 0 } },
    { "the protocol is enough",
      events = at({ 0, 30, 60, 90, 120 }, sample { ["network.protocol"] = "stratum", ["host.name"] = "build-07" }),
      expect = { threats = 1 } },
    { "a surge is worse", lists = { mining_pools = { "nanopool.org" } },
      events = at((function()
        local times = {}
        for i = 1, 60 do times[i] = i end
        return times
      end)(), lookup),
      expect = { threats = 1, severity = "high", count = 60 } },
  },
}
