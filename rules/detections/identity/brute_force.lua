local failure = sample {
  ["event.category"] = "authentication", ["event.outcome"] = "failure",
  ["user.name"] = "ana", ["source.ip"] = "203.0.113.9", ["host.name"] = "web-01",
}

return rule {
  id       = "identity.brute_force",
  title    = "Many failed sign-ins to one account from one address",
  version  = 1,
  severity = "medium",
  type     = "anomaly_detection",
  mitre    = { "T1110.001" },
  match    = { ["event.category"] = "authentication", ["event.outcome"] = "failure" },
  group    = { by = { "user.name", "source.ip" }, window = "5m", count = 10 },
  dedup    = { by = { "user.name", "source.ip" }, window = "1h" },
  context  = { "user.name", "source.ip", "host.name", "event.action", "source.geo.country_iso_code" },

  title_of = function(event, group)
    return ("%d failed sign-ins of %s from %s"):format(group.count, event["user.name"], event["source.ip"])
  end,
  severity_of = function(event)
    if list "admins":has(event["user.name"]) then return "high" end
  end,

  false_positives = { "A password that was changed but not in a service or on a phone" },
  runbook  = "See whether a sign-in succeeded afterwards. If so, revoke sessions and reset the password. Block the "
    .. "address when it is not one of your own.",

  tests = {
    { "ten failures in five minutes fire once",
      events = at({ 0, 20, 40, 60, 80, 100, 120, 140, 160, 180 }, failure),
      expect = { threats = 1, severity = "medium", dedup = "ana, 203.0.113.9",
                 title = "10 failed sign-ins of ana from 203.0.113.9" } },
    { "nine do not",
      events = at({ 0, 20, 40, 60, 80, 100, 120, 140, 160 }, failure), expect = { threats = 0 } },
    { "ten in an hour do not",
      events = at({ 0, 360, 720, 1080, 1440, 1800, 2160, 2520, 2880, 3240 }, failure), expect = { threats = 0 } },
    { "successes do not count",
      events = at({ 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 }, failure:with { ["event.outcome"] = "success" }),
      expect = { threats = 0 } },
    { "an administrator's account is worse", lists = { admins = { "root" } },
      events = at({ 0, 20, 40, 60, 80, 100, 120, 140, 160, 180 }, failure:with { ["user.name"] = "ROOT" }),
      expect = { threats = 1, severity = "high" } },
    { "arrival in another order changes nothing",
      events = at({ 0, 20, 40, 60, 80, 100, 120, 140, 160, 180 }, failure,
        { arrive = { 20, 40, 41, 65, 90, 101, 130, 141, 160, 181 } }),
      expect = { threats = 1, count = 10 } },
  },
}
