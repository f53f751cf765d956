-- What to do about a threat: a template by type and severity, filled with what was seen. An action names a target from
-- the evidence ("source.ip:203.0.113.9") or none; the engine drops one whose target was not seen. Nothing is ever aimed
-- at a whole customer, and every action waits for a person.
local facts = require "triage.facts"

local corporate_networks = list "corporate_networks"

local sla = { 480, 240, 60, 30, 15 } -- minutes, by level
local urgency = { "routine", "routine", "soon", "high", "immediate" }
local sla_names = { "informational", "low", "medium", "high", "critical" } -- as a customer's profile has them
local short_path = { "analyst on duty", "shift lead" }
local long_path = { "analyst on duty", "shift lead", "incident manager" }
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

-- Least to most severe; each level adds to the ones below it, the first of the last one is the primary action. What
-- stops a spread comes before all else; where nothing spreads yet, evidence comes first: a measure tells whoever is
-- there that they were seen, and a session that ends takes with it what it held open.
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
    { "monitor" }, { "monitor" }, { "collect_evidence" }, { "collect_evidence", "revoke_sessions" },
    { "disable_account", "notify_customer", "revoke_sessions" },
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

local function add_target(found, field, value)
  if #found >= targets_most or #value > 256 then return end
  if field:sub(-3) == ".ip" and not ip.version(value) then return end -- a network is many
  local target = field .. ":" .. value
  for i = 1, #found do
    if found[i] == target then return end
  end
  found[#found + 1] = target
end

-- What was seen of a field: entities first, then evidence, at most five. `plan.targets` has those of fields that were
-- asked for before.
local function targets_in(plan, field)
  local found = plan.targets[field]
  if found then return found end
  found = {}
  for _, entity in ipairs(plan.entities) do
    if entity.field == field then add_target(found, field, entity.value) end
  end
  for _, hit in ipairs(facts.values(plan.events, field)) do add_target(found, field, hit.value) end
  plan.targets[field] = found
  return found
end

-- Those of the first of an action's fields that has any.
local function targets_of(plan, kind)
  local found
  for _, field in ipairs(aimed_at[kind]) do
    found = targets_in(plan, field)
    if #found > 0 then break end
  end
  return found
end

local actions_most = 10 -- of one plan

-- Blocking an address of our own would cut off the victim.
local function is_outside(target)
  local address = target:match("^[%w_.]+:(.+)$")
  return address ~= nil and not ip.is_private(address) and not facts.listed(corporate_networks, address)
end

local function add_action(plan, kind, target)
  local key = target and kind .. target or kind
  if plan.seen[key] then return end
  plan.seen[key] = true
  plan.actions[#plan.actions + 1] = { type = kind, target = target, reason = reasons[kind], requires_approval = true }
end

-- `plan`: the events and entities of the threat, and what was planned so far.
local function add_actions(plan, kind)
  if not aimed_at[kind] then return add_action(plan, kind) end
  for _, target in ipairs(targets_of(plan, kind)) do
    if kind ~= "block_ip" or is_outside(target) then add_action(plan, kind, target) end
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
  return level >= 4 and long_path or short_path
end

local function minutes(context, level)
  local own = facts.table(facts.table(context.profile).sla_minutes)
  local number = facts.number(own[sla_names[level]])
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
    local plan = {
      events = facts.events(threat), entities = facts.entities(threat), targets = {}, actions = {}, seen = {},
    }
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
    { "what a machine shows of an anomaly is kept before its sessions end",
      threat = { threat_type = "anomaly_detection", severity = "HIGH",
          entities = { "user.name:ana", "host.name:ws-1" } },
      expect = { actions = { { type = "collect_evidence", target = "host.name:ws-1" }, { type = "revoke_sessions",
          target = "user.name:ana" }, { type = "monitor" }, { type = "open_ticket" } } } },
    { "without a machine the sessions end first",
      threat = { threat_type = "anomaly_detection", severity = "HIGH", entities = { "user.name:ana" } },
      expect = { actions = { { type = "revoke_sessions" }, { type = "monitor" }, { type = "open_ticket" } } } },
    { "whoever uses a critical account is stopped first",
      threat = { threat_type = "anomaly_detection", severity = "CRITICAL",
          entities = { "user.name:ana", "host.name:ws-1" } },
      expect = { actions = { { type = "disable_account" }, { type = "notify_customer" }, { type = "revoke_sessions" },
          { type = "collect_evidence" }, { type = "open_ticket" } } } },
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
