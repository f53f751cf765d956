-- One address of the outside, for a while. Never a network, an address of our own, or one that is known to be harmless.
local targets = require "actions.targets"

local fields = { "source.ip", "client.ip", "destination.ip" }

return action {
  id      = "block_ip",
  title   = "Block an address at the edge",
  target  = fields,
  dry_run = function(action, threat)
    local field, value = targets.read(action, threat, fields)
    if field == nil then return targets.refuse("block an address", value) end
    local address, wrong = targets.address(value)
    local reason = wrong or targets.spared(threat, address)
    if reason then return targets.refuse("block " .. targets.text(value), reason) end
    local minutes = targets.minutes(action, 60, 1440)
    local way = field == "destination.ip" and "to" or "from"
    return {
      summary = ("Would block traffic %s %s for %s, for %d minutes"):format(way, address, targets.customer(threat),
        minutes),
      steps   = {
        ("Add a rule at the edge: deny %s %s"):format(way, address),
        ("Remove the rule after %d minutes"):format(minutes),
        "Look whether others come in through the same address before it is made longer",
      },
    }
  end,
  tests   = {
    { "an address that was seen, for an hour",
      action = { target = "source.ip:203.0.113.9" },
      threat = { customer_name = "acme", entities = { "source.ip:203.0.113.9" } },
      expect = { summary = "Would block traffic from 203.0.113.9 for acme, for 60 minutes", refused = null,
        steps = { "Add a rule at the edge: deny from 203.0.113.9", "Remove the rule after 60 minutes",
          "Look whether others come in through the same address before it is made longer" } } },
    { "as long as the plan says, within a day",
      action = { target = "destination.ip:2001:db8::1", parameters = { minutes = 30 } },
      threat = { evidence = { { id = "E1", context = { ["destination.ip"] = { "2001:db8::1" } } } } },
      expect = { summary = "Would block traffic to 2001:db8::1 for the customer, for 30 minutes" } },
    { "not for ever", action = { target = "source.ip:203.0.113.9", parameters = { minutes = 1e9 } },
      threat = { entities = { "source.ip:203.0.113.9" } },
      expect = { summary = "Would block traffic from 203.0.113.9 for the customer, for 60 minutes" } },
    { "not one that is not in the threat", action = { target = "source.ip:203.0.113.9" },
      threat = { entities = { "source.ip:203.0.113.10" } }, expect = { refused = "the target is not in this threat" } },
    { "not a private one", action = { target = "source.ip:10.0.0.5" }, threat = { entities = { "source.ip:10.0.0.5" } },
      expect = { refused = "the address is private: a machine of our own, or many behind one" } },
    { "not our own loopback in another spelling", action = { target = "source.ip:::ffff:127.0.0.1" },
      threat = { entities = { "source.ip:::ffff:127.0.0.1" } },
      expect = { refused = "the address is private: a machine of our own, or many behind one" } },
    { "not a network", action = { target = "source.ip:203.0.113.0/24" },
      threat = { entities = { "source.ip:203.0.113.0/24" } },
      expect = { refused = "the target is a network, and an action is about one address" } },
    { "not everybody", action = { target = "source.ip:224.0.0.1" }, threat = { entities = { "source.ip:224.0.0.1" } },
      expect = { refused = "the address is no host's" } },
    { "not an address of the company", action = { target = "source.ip:203.0.113.9" },
      threat = { entities = { "source.ip:203.0.113.9" } }, lists = { corporate_networks = { "203.0.113.0/24" } },
      expect = { refused = "the address is in one of our own networks" } },
    { "not one that is known to be harmless", action = { target = "source.ip:203.0.113.9" },
      threat = { entities = { "source.ip:203.0.113.9" } }, lists = { allowlist = { "203.0.113.9" } },
      expect = { refused = "the address is on the allow-list" } },
    { "unless that is over", action = { target = "source.ip:203.0.113.9" },
      threat = { entities = { "source.ip:203.0.113.9" }, last_seen = "2026-01-05T10:00:00.000Z" },
      lists = { allowlist = { ["203.0.113.9"] = { expires = "2026-01-04" } } }, expect = { refused = null } },
    { "not a crawler's", action = { target = "client.ip:203.0.113.9" },
      threat = { entities = { "client.ip:203.0.113.9" } }, lists = { crawler_ranges = { "203.0.113.0/28" } },
      expect = { refused = "the address is a known crawler's" } },
    { "not a name", action = { target = "source.ip:example.org" }, threat = { entities = { "source.ip:example.org" } },
      expect = { refused = "the target is no address" } },
    { "not of another field", action = { target = "user.name:203.0.113.9" },
      threat = { entities = { "user.name:203.0.113.9" } },
      expect = { refused = "the target is of user.name, not of source.ip, client.ip, destination.ip" } },
    { "nothing named", action = {}, threat = {}, expect = { refused = "the action names no target", steps = null } },
    { "values of other types", action = { target = { "source.ip:203.0.113.9" }, parameters = "all" },
      threat = { entities = "all", evidence = { "E1" } }, expect = { refused = "the action names no target" } },
  },
}
