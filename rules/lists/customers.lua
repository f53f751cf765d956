-- What is known of each customer, by the name that threats carry in customer_name. An entry through the API replaces
-- one of here. Everything is optional; what is not said is neutral.
--
--   industry         what they do, for the analysts' texts
--   countries        ISO codes of the places they work from: a private address "in" one of them is no contradiction
--   timezone_offset  hours from UTC, for working hours
--   business_hours   { from, to } in local hours; notes and changes outside are noted as such
--   remote_workers   true: people sign in from changing places
--   vpn              true: the company's own VPN exits appear as one place
--   maintenance      windows in which changes are expected: { day = "sunday" or "daily", from = hour, to = hour } (UTC)
--   expected         what explains which threat type, in words: { bot_traffic = "partners poll the price list" }
--   escalation_path  who is told, in this order
--   sla_minutes      shorter times than the platform's, by severity
--   contact          who is told about an incident
return list {
  ["default"] = {
    business_hours  = { 7, 19 },
    timezone_offset = 0,
  },
  ["acme"] = {
    industry        = "online retail",
    countries       = { "DE", "AT" },
    timezone_offset = 1,
    business_hours  = { 8, 18 },
    remote_workers  = true,
    maintenance     = { { day = "sunday", from = 2, to = 5, what = "database upgrades" } },
    expected        = {
      bot_traffic       = "price comparison partners poll the catalogue",
      rate_limit_breach = "the warehouse client retries without waiting",
    },
    escalation_path = { "acme on-call", "acme security lead", "acme CISO" },
    sla_minutes     = { critical = 10 },
    contact         = "security@acme.example",
  },
  ["globex"] = {
    industry        = "hospital",
    countries       = { "FR" },
    timezone_offset = 1,
    business_hours  = { 6, 22 },
    maintenance     = { { day = "daily", from = 3, to = 4, what = "backups" } },
    escalation_path = { "globex service desk", "globex information security officer" },
    contact         = "soc@globex.example",
  },
}
