-- Cuts one machine off the network, but for the tools that look at it.
local targets = require "actions.targets"

local fields = { "host.name" }

return action {
  id      = "isolate_host",
  title   = "Isolate a machine from the network",
  target  = fields,
  dry_run = function(action, threat)
    local field, value = targets.read(action, threat, fields)
    if field == nil then return targets.refuse("isolate a machine", value) end
    if value:find "[*?%%,; ]" or value:lower() == "localhost" then
      return targets.refuse("isolate " .. targets.text(value), "the target is not the name of one machine")
    end
    local host, warning = targets.text(value), targets.asset_warning(field, value)
    return {
      summary  = ("Would isolate %s of %s from the network%s"):format(host, targets.customer(threat),
        warning and ", an asset of weight" or ""),
      warnings = warning and { warning } or nil,
      steps    = {
        "Collect volatile data first: processes, connections, who is signed in",
        ("Isolate %s, leaving the connection of the agent that looks at it"):format(host),
        "Tell who uses the machine, and what to do instead",
        "Let it back when it was looked at or set up anew",
      },
    }
  end,
  tests   = {
    { "a machine that was seen", action = { target = "host.name:ws-1" },
      threat = { customer_name = "acme", entities = { "host.name:ws-1" } },
      expect = { summary = "Would isolate ws-1 of acme from the network", refused = null, warnings = null, steps = {
        "Collect volatile data first: processes, connections, who is signed in",
        "Isolate ws-1, leaving the connection of the agent that looks at it",
        "Tell who uses the machine, and what to do instead",
        "Let it back when it was looked at or set up anew" } } },
    { "one of weight comes with who to ask", action = { target = "host.name:dc01" },
      threat = { entities = { "host.name:dc01" } },
      lists = { assets = { ["host.name:dc01"] = { criticality = "critical", owner = "identity team" } } },
      expect = { summary = "Would isolate dc01 of the customer from the network, an asset of weight",
        warnings = { "dc01 is of critical criticality; ask identity team first" } } },
    { "not many at once", action = { target = "host.name:ws-*" }, threat = { entities = { "host.name:ws-*" } },
      expect = { refused = "the target is not the name of one machine" } },
    { "not one that is not in the threat", action = { target = "host.name:ws-2" },
      threat = { entities = { "host.name:ws-1" }, evidence = { { context = { ["host.name"] = "ws-1" } } } },
      expect = { refused = "the target is not in this threat" } },
    { "not an address", action = { target = "source.ip:203.0.113.9" },
      threat = { entities = { "source.ip:203.0.113.9" } },
      expect = { refused = "the target is of source.ip, not of host.name" } },
    { "a name with control characters", action = { target = "host.name:a\nb" },
      threat = { entities = { "host.name:a\nb" } }, expect = { refused = "the target holds control characters" } },
    { "values of other types", action = { target = true }, threat = { entities = { 1 } },
      expect = { refused = "the action names no target" } },
  },
}
