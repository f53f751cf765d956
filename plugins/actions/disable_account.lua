-- Nobody signs in with one account any more, until somebody gives it back.
local targets = require "actions.targets"

local fields = { "user.name" }

return action {
  id      = "disable_account",
  title   = "Disable an account",
  target  = fields,
  dry_run = function(action, threat)
    local field, value = targets.read(action, threat, fields)
    if field == nil then return targets.refuse("disable an account", value) end
    local reason = targets.is_no_person(value)
    if reason then return targets.refuse("disable " .. targets.text(value), reason) end
    local warnings = { targets.asset_warning(field, value) }
    if targets.entry("admins", value) then
      warnings[#warnings + 1] = "The account is an administrator's: make sure that another one can sign in"
    end
    local user = targets.text(value)
    return {
      summary  = ("Would disable the account %s of %s"):format(user, targets.customer(threat)),
      warnings = #warnings > 0 and warnings or nil,
      steps    = {
        ("Disable %s in the directory"):format(user),
        ("End the sessions and withdraw the tokens of %s"):format(user),
        "Reach the person on another way and ask what was theirs",
        "Give the account back with a new password and new factors",
      },
    }
  end,
  tests   = {
    { "an account that was seen", action = { target = "user.name:ana" },
      threat = { customer_name = "acme", entities = { "user.name:ana" } },
      expect = { summary = "Would disable the account ana of acme", refused = null, warnings = null, steps = {
        "Disable ana in the directory", "End the sessions and withdraw the tokens of ana",
        "Reach the person on another way and ask what was theirs",
        "Give the account back with a new password and new factors" } } },
    { "an administrator's comes with a warning", action = { target = "user.name:root-2" },
      threat = { entities = { "user.name:root-2" } }, lists = { admins = { "root-2" } },
      expect = { warnings = { "The account is an administrator's: make sure that another one can sign in" } } },
    { "not a machine's", action = { target = "user.name:CORP\\WS-1$" },
      threat = { entities = { "user.name:CORP\\WS-1$" } }, expect = { refused = "the account is a machine's own" } },
    { "not one of the system", action = { target = "user.name:NT AUTHORITY\\SYSTEM" },
      threat = { entities = { "user.name:NT AUTHORITY\\SYSTEM" } },
      expect = { refused = "the account is built into the system" } },
    { "not root", action = { target = "user.name:root" }, threat = { entities = { "user.name:root" } },
      expect = { refused = "the account is built into the system" } },
    { "not all of them", action = { target = "user.name:*" }, threat = { entities = { "user.name:*" } },
      expect = { refused = "the target is not the name of one account" } },
    { "not one that is not in the threat", action = { target = "user.name:bob" },
      threat = { entities = { "user.name:ana" } }, expect = { refused = "the target is not in this threat" } },
    { "values of other types", action = { target = { "user.name:ana" } }, threat = { entities = { {} } },
      expect = { refused = "the action names no target" } },
  },
}
