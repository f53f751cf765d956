local denial = sample {
  ["event.action"] = "system.push.send_factor_verify_push", ["event.outcome"] = "failure",
  ["user.name"] = "ana", ["source.ip"] = "203.0.113.9",
}

return rule {
  id       = "identity.mfa_fatigue",
  title    = "Repeated MFA prompts to one user",
  version  = 1,
  severity = "medium",
  type     = "anomaly_detection",
  mitre    = { "T1621" },
  match    = {
    ["event.action"]  = { "system.push.send_factor_verify_push", "mfa-push-denied", "user.mfa.okta_verify.deny_push" },
    ["event.outcome"] = "failure",
    none { ["source.ip|cidr"] = list "corporate_networks" },
  },
  group    = { by = { "user.name" }, window = "10m", count = 5 },
  dedup    = { by = { "user.name" }, window = "1h" },
  context  = { "user.name", "source.ip", "source.geo.country_iso_code" },

  filter   = function(event) return not event:is("user.roles", "service") end,
  title_of = function(event) return "MFA fatigue: " .. event["user.name"] end,
  severity_of = function(event)
    if list "admins":has(event["user.name"]) then return "high" end
  end,

  false_positives = { "A user re-enrolling a phone" },
  runbook  = "Call the user. Revoke sessions if a push was approved.",

  tests = {
    { "five denials in five minutes fire once",
      events = at({ 0, 60, 120, 180, 240 }, denial),
      expect = { threats = 1, severity = "medium", title = "MFA fatigue: ana" } },
    { "four denials do not", events = at({ 0, 60, 120, 180 }, denial), expect = { threats = 0 } },
    { "prompts from the office do not", lists = { corporate_networks = { "203.0.113.0/24" } },
      events = at({ 0, 60, 120, 180, 240 }, denial), expect = { threats = 0 } },
    { "a service account is left to its owner",
      events = at({ 0, 60, 120, 180, 240 }, denial:with { ["user.roles"] = { "service" } }),
      expect = { threats = 0 } },
    { "an admin is worse", lists = { admins = { "root" } },
      events = at({ 0, 60, 120, 180, 240 }, denial:with { ["user.name"] = "root" }),
      expect = { threats = 1, severity = "high", dedup = "root" } },
  },
}
