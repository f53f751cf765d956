-- Nothing is changed: what follows joins the threat, and the timer of the plan goes on.
local targets = require "actions.targets"

local fields = { "host.name", "user.name", "source.ip" }

return action {
  id      = "monitor",
  title   = "Keep watching",
  target  = fields,
  dry_run = function(action, threat)
    local reason = targets.wrong_subject(action, threat, fields)
    if reason then return targets.refuse("keep watching", reason) end
    local due = targets.text(targets.list(threat.response_plan).due_at, 40)
    return {
      summary = "Would change nothing and keep watching: " .. targets.describe(threat),
      steps   = {
        "What follows joins this threat, which rises when it grows",
        due ~= "" and "Look again before " .. due or "Look again before the plan's time is over",
      },
    }
  end,
  tests   = {
    { "until the plan's time is over", action = {},
      threat = { title = "Bot", severity = "LOW", response_plan = { due_at = "2026-01-05T14:00:00.000Z" } },
      expect = { summary = "Would change nothing and keep watching: Bot, LOW", refused = null, steps = {
        "What follows joins this threat, which rises when it grows", "Look again before 2026-01-05T14:00:00.000Z" } } },
    { "an empty threat", action = {}, threat = {},
      expect = { summary = "Would change nothing and keep watching: a threat without a title" } },
    { "not of something else", action = { target = "host.name:b" }, threat = {},
      expect = { refused = "the target is not in this threat" } },
    { "values of other types", action = { target = "" }, threat = { title = 7, response_plan = "x" },
      expect = { summary = "Would change nothing and keep watching: a threat without a title" } },
  },
}
