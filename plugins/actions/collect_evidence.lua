-- Saves what will be gone later: of a machine, an account or an address, around the time of the events.
local targets = require "actions.targets"

local fields = { "host.name", "user.name", "source.ip" }

local what = {
  ["host.name"] = { "Copy the list of processes, connections and sessions", "Save the logs of the machine",
    "Copy the files that the evidence names" },
  ["user.name"] = { "Save the sign-ins and the changes of the account", "Save its tokens, devices and mail rules" },
  ["source.ip"] = { "Save the requests of the address", "Save the sign-ins from the address" },
}

return action {
  id      = "collect_evidence",
  title   = "Collect evidence",
  target  = fields,
  dry_run = function(action, threat)
    local field, value = targets.read(action, threat, fields)
    if field == nil then return targets.refuse("collect evidence", value) end
    local steps = {}
    for i, step in ipairs(what[field]) do steps[i] = step .. targets.span(threat) end
    steps[#steps + 1] = "Note who took it and when, with a hash of each file"
    return {
      summary = ("Would collect evidence of %s for %s"):format(targets.text(value), targets.customer(threat)),
      steps   = steps,
    }
  end,
  tests   = {
    { "of a machine, around that time", action = { target = "host.name:ws-1" },
      threat = { customer_name = "acme", entities = { "host.name:ws-1" }, first_seen = "2026-01-05T10:00:00Z",
        last_seen = "2026-01-05T10:05:00Z" },
      expect = { summary = "Would collect evidence of ws-1 for acme", refused = null, steps = {
        "Copy the list of processes, connections and sessions from 2026-01-05T10:00:00Z to 2026-01-05T10:05:00Z",
        "Save the logs of the machine from 2026-01-05T10:00:00Z to 2026-01-05T10:05:00Z",
        "Copy the files that the evidence names from 2026-01-05T10:00:00Z to 2026-01-05T10:05:00Z",
        "Note who took it and when, with a hash of each file" } } },
    { "of an account, at an unknown time", action = { target = "user.name:ana" },
      threat = { evidence = { { context = { ["user.name"] = "ana" } } } },
      expect = { steps = { "Save the sign-ins and the changes of the account",
        "Save its tokens, devices and mail rules", "Note who took it and when, with a hash of each file" } } },
    { "not of what is not in the threat", action = { target = "host.name:ws-1" }, threat = {},
      expect = { refused = "the target is not in this threat" } },
    { "not of a field that it does not know", action = { target = "url.path:/" },
      threat = { entities = { "url.path:/" } },
      expect = { refused = "the target is of url.path, not of host.name, user.name, source.ip" } },
    { "values of other types", action = { target = { 1 } }, threat = { entities = "x", first_seen = 7 },
      expect = { refused = "the action names no target" } },
  },
}
