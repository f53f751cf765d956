-- A challenge for one client: a person passes it, a script mostly does not. The mildest that can be done at the edge.
local targets = require "actions.targets"

local fields = { "source.ip", "client.ip" }

return action {
  id      = "challenge_client",
  title   = "Challenge a client",
  target  = fields,
  dry_run = function(action, threat)
    local field, value = targets.read(action, threat, fields)
    if field == nil then return targets.refuse("challenge a client", value) end
    local address, wrong = targets.address(value)
    local reason = wrong or targets.spared(threat, address)
    if reason then return targets.refuse("challenge " .. targets.text(value), reason) end
    local minutes = targets.minutes(action, 120, 1440)
    local agents = targets.beside(threat, field, value, "user_agent.original")
    local steps = {
      ("Ask %s for a challenge before each request that changes something"):format(address),
      ("Stop asking after %d minutes"):format(minutes),
    }
    if #agents > 1 then
      steps[#steps + 1] = "Expect people behind this address: it was seen with several user agents"
    end
    return {
      summary = ("Would challenge %s at the edge of %s, for %d minutes"):format(address, targets.customer(threat),
        minutes),
      steps   = steps,
    }
  end,
  tests   = {
    { "a client that was seen, for two hours", action = { target = "source.ip:203.0.113.9" },
      threat = { customer_name = "acme", entities = { "source.ip:203.0.113.9" } },
      expect = { summary = "Would challenge 203.0.113.9 at the edge of acme, for 120 minutes", refused = null, steps = {
        "Ask 203.0.113.9 for a challenge before each request that changes something",
        "Stop asking after 120 minutes" } } },
    { "several programs behind one address are named", action = { target = "source.ip:203.0.113.9" },
      threat = { evidence = {
        { id = "E1", context = { ["source.ip"] = "203.0.113.9", ["user_agent.original"] = "a" } },
        { id = "E2", context = { ["source.ip"] = "203.0.113.9", ["user_agent.original"] = "b" } } } },
      expect = { steps = { "Ask 203.0.113.9 for a challenge before each request that changes something",
        "Stop asking after 120 minutes",
        "Expect people behind this address: it was seen with several user agents" } } },
    { "not one of ours", action = { target = "source.ip:fe80::1" }, threat = { entities = { "source.ip:fe80::1" } },
      expect = { refused = "the address is private: a machine of our own, or many behind one" } },
    { "not one that is not in the threat", action = { target = "source.ip:203.0.113.9" }, threat = {},
      expect = { refused = "the target is not in this threat" } },
    { "values of other types", action = { target = {} }, threat = { evidence = { { context = "x" } } },
      expect = { refused = "the action names no target" } },
  },
}
