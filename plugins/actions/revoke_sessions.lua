-- Ends the sessions of one account: whoever stole one is out, and the person signs in again.
local targets = require "actions.targets"

local fields = { "user.name" }

return action {
  id      = "revoke_sessions",
  title   = "End an account's sessions",
  target  = fields,
  dry_run = function(action, threat)
    local field, value = targets.read(action, threat, fields)
    if field == nil then return targets.refuse("end sessions", value) end
    local reason = targets.is_no_person(value)
    if reason then return targets.refuse("end the sessions of " .. targets.text(value), reason) end
    local user = targets.text(value)
    local from = targets.beside(threat, field, value, "source.ip")
    local seen = #from > 0 and (", among them those from " .. table.concat(from, ", ")) or ""
    return {
      summary = ("Would end all sessions of %s of %s%s"):format(user, targets.customer(threat), seen),
      steps   = {
        ("Withdraw the refresh tokens and end the sessions of %s"):format(user),
        "Ask for a second factor at the next sign-in",
        "See whether a new session comes from where the old ones came from",
      },
    }
  end,
  tests   = {
    { "an account that was seen, and where from", action = { target = "user.name:ana" },
      threat = { customer_name = "acme", entities = { "user.name:ana" }, evidence = {
        { id = "E1", context = { ["user.name"] = "ana", ["source.ip"] = "203.0.113.9" } },
        { id = "E2", context = { ["user.name"] = "bob", ["source.ip"] = "203.0.113.8" } } } },
      expect = { summary = "Would end all sessions of ana of acme, among them those from 203.0.113.9", refused = null,
        steps = { "Withdraw the refresh tokens and end the sessions of ana",
          "Ask for a second factor at the next sign-in",
          "See whether a new session comes from where the old ones came from" } } },
    { "without an address", action = { target = "user.name:ana" }, threat = { entities = { "user.name:ana" } },
      expect = { summary = "Would end all sessions of ana of the customer" } },
    { "not a machine's", action = { target = "user.name:WS-1$" }, threat = { entities = { "user.name:WS-1$" } },
      expect = { refused = "the account is a machine's own" } },
    { "not one that is not in the threat", action = { target = "user.name:bob" }, threat = {},
      expect = { refused = "the target is not in this threat" } },
    { "values of other types", action = { target = 1 }, threat = { evidence = "x" },
      expect = { refused = "the action names no target" } },
  },
}
