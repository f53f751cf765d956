-- Days on which more or other traffic than usual is expected, or fewer people watch. By date (2026-11-27), by day of
-- the year (12-24) or by weekday (saturday); the most exact entry counts. Replace by your own.
--
--   name    what the day is
--   effect  traffic: more requests than usual; quiet: few people at work; freeze: no deployment is expected
--   types   threat types that the day may explain; never a reason to close one
return list {
  ["saturday"]   = { name = "weekend", effect = "quiet" },
  ["sunday"]     = { name = "weekend", effect = "quiet" },
  ["01-01"]      = { name = "New Year's Day", effect = "quiet" },
  ["12-24"]      = { name = "Christmas Eve", effect = "quiet" },
  ["12-25"]      = { name = "Christmas Day", effect = "quiet" },
  ["12-26"]      = { name = "Boxing Day", effect = "quiet" },
  ["12-31"]      = { name = "New Year's Eve", effect = "quiet" },
  ["2026-11-27"] = { name = "Black Friday", effect = "traffic", types = { "bot_traffic", "rate_limit_breach" } },
  ["2026-11-30"] = { name = "Cyber Monday", effect = "traffic", types = { "bot_traffic", "rate_limit_breach" } },
  ["2027-11-26"] = { name = "Black Friday", effect = "traffic", types = { "bot_traffic", "rate_limit_breach" } },
  ["2027-11-29"] = { name = "Cyber Monday", effect = "traffic", types = { "bot_traffic", "rate_limit_breach" } },
}
