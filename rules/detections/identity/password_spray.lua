local function failure(name)
  return sample {
    ["event.category"] = "authentication", ["event.outcome"] = "failure",
    ["user.name"] = name, ["source.ip"] = "203.0.113.9",
  }
end

local function failures(names)
  local events = {}
  for i, name in ipairs(names) do events[i] = failure(name) end
  return events
end

return rule {
  id       = "identity.password_spray",
  title    = "Failed sign-ins to many accounts from one address",
  version  = 1,
  severity = "high",
  type     = "anomaly_detection",
  mitre    = { "T1110.003" },
  match    = {
    ["event.category"] = "authentication", ["event.outcome"] = "failure",
    -- Computers fail too, and all of them when a domain controller is restored.
    none { ["user.name|endswith"] = "$" },
  },
  group    = { by = { "source.ip" }, window = "10m", distinct = "user.name", count = 8 },
  dedup    = { by = { "source.ip" }, window = "4h" },
  context  = { "source.ip", "user.name", "host.name", "source.geo.country_iso_code", "source.as.organization.name" },

  title_of = function(event, group)
    return ("Password spray from %s: %d accounts"):format(event["source.ip"], group.count)
  end,

  false_positives = { "A gateway or proxy behind which many people sign in from one address" },
  runbook  = "Look for a success from the same address. Force a change of password where there is one; block the "
    .. "address at the edge.",

  tests = {
    { "eight accounts fire once",
      events = failures { "ana", "bo", "cy", "dee", "eli", "flo", "gus", "hal" },
      expect = { threats = 1, severity = "high", dedup = "203.0.113.9",
                 title = "Password spray from 203.0.113.9: 8 accounts" } },
    { "the same account in another spelling is one account",
      events = failures { "ana", "ANA", "Ana", "aNa", "anA", "ANa", "bo", "cy", "dee", "eli", "flo", "gus" },
      expect = { threats = 0 } },
    { "computers are not accounts",
      events = failures { "A$", "B$", "C$", "D$", "E$", "F$", "G$", "H$", "I$" }, expect = { threats = 0 } },
    { "one account many times is no spray",
      events = at({ 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }, failure "ana"), expect = { threats = 0 } },
  },
}
