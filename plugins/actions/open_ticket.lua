-- A ticket, so that the threat has an owner.
local targets = require "actions.targets"

local fields = { "host.name", "user.name", "source.ip" }

return action {
  id      = "open_ticket",
  title   = "Open a ticket",
  target  = fields,
  dry_run = function(action, threat)
    local reason = targets.wrong_subject(action, threat, fields)
    if reason then return targets.refuse("open a ticket", reason) end
    local path = targets.list(targets.profile(threat).escalation_path)
    local owner = targets.text(path[1])
    return {
      summary = ("Would open a ticket for %s: %s"):format(targets.customer(threat), targets.describe(threat)),
      steps   = {
        "Assign it to " .. (owner ~= "" and owner or "the analyst on duty"),
        "Link the threat instead of copying its evidence",
        "Close it with the analyst's verdict",
      },
    }
  end,
  tests   = {
    { "with its title and the first of the escalation path", action = {},
      threat = { customer_name = "acme", title = "MFA fatigue: ana", severity = "HIGH", event_count = 6 },
      lists = { customers = { acme = { escalation_path = { "acme on-call" } } } },
      expect = { summary = "Would open a ticket for acme: MFA fatigue: ana, HIGH, events: 6", refused = null, steps = {
        "Assign it to acme on-call", "Link the threat instead of copying its evidence",
        "Close it with the analyst's verdict" } } },
    { "an empty threat", action = {}, threat = {}, expect = { refused = null,
      summary = "Would open a ticket for the customer: a threat without a title" } },
    { "not about something else", action = { target = "user.name:bob" }, threat = { entities = { "user.name:ana" } },
      expect = { refused = "the target is not in this threat" } },
    { "values of other types", action = { target = "" },
      threat = { title = {}, severity = 7, customer_name = { a = 1 } },
      expect = { summary = "Would open a ticket for the customer: a threat without a title" } },
  },
}
