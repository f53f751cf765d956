-- What to do about a threat: a template by type and severity, filled with what was seen. An action names a target from
-- the evidence ("source.ip:203.0.113.9") or none; the engine drops one whose target was not seen. Nothing is ever aimed
-- at a whole customer, and every action waits for a person.
local facts = require "triage.facts"

local sla = { 480, 240, 60, 30, 15 } -- minutes, by level
local urgency = { "routine", "routine", "soon", "high", "immediate" }
local targets_most = 5

-- Which fields each kind of action is about.
local aimed_at = {
  block_ip          = { "source.ip", "client.ip", "destination.ip" },
  rate_limit        = { "source.ip", "client.ip" },
  challenge_client  = { "source.ip", "client.ip" },
  isolate_host      = { "host.name" },
  quarantine_file   = { "file.path", "process.executable" },
  disable_account   = { "user.name" },
  revoke_sessions   = { "user.name" },
  collect_evidence  = { "host.name" },
}

-- Least to most severe; each level adds to the ones below it, the first of the last one is the primary action.
local templates = {
  bot_traffic = {
    { "monitor" }, { "monitor" }, { "challenge_client" }, { "rate_limit" }, { "block_ip", "notify_customer" },
  },
  proxy_network = {
    { "monitor" }, { "monitor" }, { "challenge_client" }, { "block_ip" }, { "block_ip", "notify_customer" },
  },
  device_compromise = {
    { "monitor" }, { "collect_evidence" }, { "quarantine_file" }, { "isolate_host" },
    { "isolate_host", "disable_account", "notify_customer" },
  },
  anomaly_detection = {
    { "monitor" }, { "monitor" }, { "collect_evidence" }, { "revoke_sessions" }, { "disable_account",
      "notify_customer" },
  },
  rate_limit_breach = {
    { "monitor" }, { "monitor" }, { "rate_limit" }, { "rate_limit" }, { "block_ip", "notify_customer" },
  },
  geo_anomaly = {
    { "monitor" }, { "monitor" }, { "revoke_sessions" }, { "revoke_sessions" }, { "disable_account",
      "notify_customer" },
  },
}
local default = {
  { "monitor" }, { "monitor" }, { "collect_evidence" }, { "collect_evidence" }, { "isolate_host", "notify_customer" },
}

local reasons = {
  monitor = "Nothing has to change yet; what follows joins this threat",
  review = "A person should look before anything is done",
  challenge_client = "A person passes a challenge, a script does not",
  rate_limit = "Slower requests do less harm and lock nobody out",
  block_ip = "What comes from this address is part of the threat",
  collect_evidence = "What is on the machine now may be gone later",
  quarantine_file = "The file cannot run while it is looked at",
  isolate_host = "A machine that is cut off spreads nothing",
  disable_account = "Whoever has the account cannot use it further",
  revoke_sessions = "A stolen session ends here; the user signs in again",
  notify_customer = "The customer decides what their users are told",
  open_ticket = "Somebody should own it",
}

-- What was seen of an action's fields: entities first, then evidence, at most five of the first field that has any.
local function targets_of(threat, entities, kind)
  local found, seen = {}, {}
  local function add(field, value)
    local text = field .. ":" .. value
    local one = field:sub(-3) ~= ".ip" or ip.version(value) -- a network is many
    if one and #found < targets_most and not seen[text] and #value <= 256 then
      seen[text] = true
      found[#found + 1] = text
    end
  end
  for _, field in ipairs(aimed_at[kind]) do
    for _, entity in ipairs(entities) do
      if entity.field == field then add(field, entity.value) end
    end
    for _, hit in ipairs(facts.values(threat, field)) do add(field, hit.value) end
    if #found > 0 then return found end
  end
  return found
end

local actions_most = 10 -- of one plan

-- Blocking an address of our own would cut off the victim.
local function is_outside(target)
  local address = target:match("^[%w_.]+:(.+)$")
  return address ~= nil and not ip.is_private(address) and not facts.listed("corporate_networks", address)
end

-- `plan`: the threat, its entities, and what was planned so far.
local function add_actions(plan, kind)
  local actions, seen = plan.actions, plan.seen
  local function add(target)
    if seen[kind .. (target or "")] then return end
    seen[kind .. (target or "")] = true
    actions[#actions + 1] = { type = kind, target = target, reason = reasons[kind], requires_approval = true }
  end
  if not aimed_at[kind] then return add() end
  for _, target in ipairs(targets_of(plan.threat, plan.entities, kind)) do
    if kind ~= "block_ip" or is_outside(target) then add(target) end
  end
end

-- A plan that is too long loses its last targets, never what is about the threat as a whole, and never its first.
local function shorten(actions)
  for i = #actions, 2, -1 do
    if #actions <= actions_most then return end
    if actions[i].target then table.remove(actions, i) end
  end
end

local function escalation_path(context, level)
  local path = {}
  for _, who in ipairs(facts.table(facts.table(context.profile).escalation_path)) do
    if facts.text(who) and #path < 5 then path[#path + 1] = facts.brief(who, 200) end
  end
  if #path > 0 then return path end
  if level >= 4 then return { "analyst on duty", "shift lead", "incident manager" } end
  return { "analyst on duty", "shift lead" }
end

local function minutes(context, level)
  local own = facts.table(facts.table(context.profile).sla_minutes)
  local name = level == 1 and "informational" or facts.names[level]:lower()
  local number = facts.number(own[name])
  if number and number >= 1 and number < sla[level] then return math.floor(number) end
  return sla[level]
end

return policy {
  name = "response",
  decide = function(threat, context)
    local level = facts.level(facts.table(context.severity).severity) or facts.level(threat.severity)
                  or facts.level(threat.severity_floor)
    if not level then error("the threat has no severity") end
    local doubt = facts.table(context.false_positive)
    local findings = facts.table(facts.table(context.manipulation).findings)
    local probably_nothing = doubt.recommendation == "likely_false_positive" and #findings == 0
    local template = templates[facts.text(threat.threat_type) or ""] or default
    local plan = { threat = threat, entities = facts.entities(threat), actions = {}, seen = {} }
    -- A doubt takes the hard measures off, but not from what is critical by the rule itself.
    local from = level
    if probably_nothing and (facts.level(threat.severity_floor) or level) < 5 then
      from = math.min(level, 2)
      add_actions(plan, "review")
    end
    for step = from, math.max(1, from - 2), -1 do
      for _, kind in ipairs(template[step]) do add_actions(plan, kind) end
    end
    if #findings > 0 then add_actions(plan, "review") end
    if level >= 4 then add_actions(plan, "open_ticket") end
    if #plan.actions == 0 then add_actions(plan, "monitor") end
    shorten(plan.actions)
    return {
      urgency = urgency[level], sla_minutes = minutes(context, level),
      escalation_path = escalation_path(context, level), actions = plan.actions,
    }
  end,
  tests = {
    { "a proxy network names its addresses",
      threat = { threat_type = "proxy_network", severity = "HIGH", severity_floor = "HIGH",
                 entities = { "source.ip:203.0.113.9", "source.ip:203.0.113.10" } },
      expect = { urgency = "high", sla_minutes = 30,
                 actions = { { type = "block_ip", target = "source.ip:203.0.113.9", requires_approval = true },
                             { type = "block_ip", target = "source.ip:203.0.113.10" },
                             { type = "challenge_client", target = "source.ip:203.0.113.9" },
                             { type = "challenge_client", target = "source.ip:203.0.113.10" },
                             { type = "monitor" }, { type = "open_ticket" } } } },
    { "our own addresses are not blocked",
      threat = { threat_type = "rate_limit_breach", severity = "CRITICAL", entities = { "source.ip:10.0.0.7" } },
      expect = { actions = { { type = "notify_customer" }, { type = "rate_limit", target = "source.ip:10.0.0.7" },
                             { type = "open_ticket" } } } },
    { "nor are those of the company",
      threat = { threat_type = "rate_limit_breach", severity = "CRITICAL", entities = { "source.ip:203.0.113.9" } },
      lists = { corporate_networks = { "203.0.113.0/24" } },
      expect = { actions = { { type = "notify_customer" }, { type = "rate_limit" }, { type = "open_ticket" } } } },
    { "a plan that is too long loses targets, not what a person has to do",
      threat = { threat_type = "bot_traffic", severity = "CRITICAL", severity_floor = "CRITICAL",
                 entities = { "source.ip:203.0.113.1", "source.ip:203.0.113.2", "source.ip:203.0.113.3" },
                 evidence = { { id = "E1", context = { ["source.ip"] = { "203.0.113.4", "203.0.113.5",
                     "203.0.113.6" } } } } },
      context = { manipulation = { findings = { { name = "n" } } } },
      expect = { actions = { { type = "block_ip", target = "source.ip:203.0.113.1" }, { type = "block_ip" },
          { type = "block_ip" }, { type = "block_ip" }, { type = "block_ip", target = "source.ip:203.0.113.5" },
          { type = "notify_customer" }, { type = "rate_limit", target = "source.ip:203.0.113.1" },
          { type = "rate_limit", target = "source.ip:203.0.113.2" }, { type = "review" },
          { type = "open_ticket" } } } },
    { "a customer and a network are no targets",
      threat = { threat_type = "bot_traffic", severity = "CRITICAL", customer_name = "acme",
                 entities = { "organization.id:acme", "source.ip:203.0.113.0/24", "source.ip:unknown" } },
      expect = { actions = { { type = "notify_customer", target = null }, { type = "open_ticket" } } } },
    { "a compromised machine is cut off",
      threat = { threat_type = "device_compromise", severity = "CRITICAL",
          entities = { "host.name:dc01", "user.name:ana" } },
      expect = { sla_minutes = 15, urgency = "immediate",
                 actions = { { type = "isolate_host", target = "host.name:dc01" }, { type = "disable_account",
                     target = "user.name:ana" },
                             { type = "notify_customer" }, { type = "open_ticket" } } } },
    { "a likely false alarm is looked at first",
      threat = { threat_type = "device_compromise", severity = "HIGH", severity_floor = "HIGH",
          entities = { "host.name:kiosk" } },
      context = { false_positive = { recommendation = "likely_false_positive" } },
      expect = { actions = { { type = "review" }, { type = "collect_evidence", target = "host.name:kiosk" },
          { type = "monitor" }, { type = "open_ticket" } } } },
    { "but what the rule calls critical keeps its containment",
      threat = { threat_type = "device_compromise", severity = "CRITICAL", severity_floor = "CRITICAL",
          entities = { "host.name:dc01" } },
      context = { false_positive = { recommendation = "likely_false_positive" } },
      expect = { actions = { { type = "isolate_host", target = "host.name:dc01" }, { type = "notify_customer" },
          { type = "open_ticket" } } } },
    { "and so does a doubt that somebody may have made",
      threat = { threat_type = "device_compromise", severity = "HIGH", severity_floor = "HIGH",
          entities = { "host.name:a" } },
      context = { false_positive = { recommendation = "likely_false_positive" },
          manipulation = { findings = { { name = "n" } } } },
      expect = { actions = { { type = "isolate_host" }, { type = "collect_evidence" }, { type = "review" },
          { type = "open_ticket" } } } },
    { "the customer's own times and people",
      threat = { threat_type = "x", severity = "CRITICAL" },
      context = { profile = { sla_minutes = { critical = "10" }, escalation_path = { "acme on-call", 5 } } },
      expect = { sla_minutes = 10, escalation_path = { "acme on-call", "5" } } },
    { "the severity that triage found counts, not the rule's",
      threat = { threat_type = "bot_traffic", severity = "LOW" }, context = { severity = { severity = "CRITICAL" } },
      expect = { sla_minutes = 15 } },
    { "nothing to aim at: monitor", threat = { severity = "INFO", entities = { "source.ip:203.0.113.9" } },
      expect = { sla_minutes = 480, actions = { { type = "monitor" } } } },
    { "nonsense in every place", threat = { severity = "LOW", entities = { 5, "x", { "y" } },
      evidence = "z", threat_type = {} },
      context = { profile = "p", severity = 3, false_positive = 4 }, expect = { sla_minutes = 240,
          actions = { { type = "monitor" } } } },
    { "an empty threat is an error: the default monitors", threat = {}, expect = { error = true } },
  },
}
