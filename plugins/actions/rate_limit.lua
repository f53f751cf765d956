-- Fewer requests of one client, for a while: does less harm than a block when the client turns out to be a customer.
local targets = require "actions.targets"

local fields = { "source.ip", "client.ip" }

return action {
  id      = "rate_limit",
  title   = "Slow down a client",
  target  = fields,
  dry_run = function(action, threat)
    local field, value = targets.read(action, threat, fields)
    if field == nil then return targets.refuse("slow down a client", value) end
    local address, wrong = targets.address(value)
    local reason = wrong or targets.spared(threat, address)
    if reason then return targets.refuse("slow down " .. targets.text(value), reason) end
    local minutes = targets.minutes(action, 60, 1440)
    return {
      summary = ("Would slow down %s at the edge of %s, for %d minutes"):format(address, targets.customer(threat),
        minutes),
      steps   = {
        ("Limit requests of %s to what one person makes, with 429 and Retry-After beyond"):format(address),
        ("Remove the limit after %d minutes"):format(minutes),
      },
    }
  end,
  tests   = {
    { "a client that was seen, for an hour", action = { target = "source.ip:203.0.113.9" },
      threat = { customer_name = "acme", entities = { "source.ip:203.0.113.9" } },
      expect = { summary = "Would slow down 203.0.113.9 at the edge of acme, for 60 minutes", refused = null, steps = {
        "Limit requests of 203.0.113.9 to what one person makes, with 429 and Retry-After beyond",
        "Remove the limit after 60 minutes" } } },
    { "not one of ours", action = { target = "source.ip:10.1.1.1" }, threat = { entities = { "source.ip:10.1.1.1" } },
      expect = { refused = "the address is private: a machine of our own, or many behind one" } },
    { "not a network", action = { target = "source.ip:0.0.0.0/0" }, threat = { entities = { "source.ip:0.0.0.0/0" } },
      expect = { refused = "the target is a network, and an action is about one address" } },
    { "not one that is not in the threat", action = { target = "source.ip:203.0.113.9" }, threat = {},
      expect = { refused = "the target is not in this threat" } },
    { "values of other types", action = { target = 7, parameters = { minutes = "x" } }, threat = { entities = 7 },
      expect = { refused = "the action names no target" } },
  },
}
