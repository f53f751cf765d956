-- How urgent is it, which techniques does it show, what may the customer be told? Without a model: what the rule and
-- triage say, in words. It is no second opinion on whether the threat is real: its verdict repeats the severity.
local facts   = require "agents.facts"
local prompts = require "agents.prompts"
local schemas = require "agents.schemas"

local levels = { -- by facts.rank + 1
  { name = "INFO", urgency = "none", verdict = "not_evaluable", confidence = 0.2 },
  { name = "LOW", urgency = "none", verdict = "not_evaluable", confidence = 0.2 },
  { name = "MEDIUM", urgency = "planned", verdict = "suspicious", confidence = 0.3 },
  { name = "HIGH", urgency = "today", verdict = "suspicious", confidence = 0.4 },
  { name = "CRITICAL", urgency = "immediate", verdict = "suspicious", confidence = 0.5 },
}

local types = {
  bot_traffic       = { "See which requests of the client got what they asked for",
    "We saw many automated requests to your service and are looking into them." },
  proxy_network     = { "Ask the user whether these sign-ins were theirs",
    "We saw sign-ins to an account through anonymising networks and are looking into them." },
  device_compromise = { "Look at what ran on the machine before and after, and at the account that ran it",
    "We saw signs that a machine may be compromised and are looking into it." },
  rate_limit_breach = { "Find out which client it is and whether it retries without waiting",
    "We saw a client that sends more requests than allowed and are looking into it." },
  geo_anomaly       = { "Ask the user whether the last sign-in was theirs, on a way other than mail",
    "We saw sign-ins to an account from places too far apart and are looking into them." },
}

-- The type says only that something is unusual: the evidence says of what.
local anomalies = {
  ["sign-in"] = { "See whether a sign-in succeeded after the failed ones",
    "We saw unusual activity on an account and are looking into it." },
  traffic     = { "See which program talks there, since when, and what went over it",
    "We saw unusual network traffic and are looking into it." },
  process     = { "See what started the program, who ran it, and what it did afterwards",
    "We saw unusual activity of a program on a machine and are looking into it." },
  host        = { "See who did it on the machine, and what came before and after",
    "We saw unusual activity on a machine and are looking into it." },
  unknown     = { "Look at the events before and after, of the same user, machine and address",
    "We saw unusual activity and are looking into it." },
}

local of_category = { authentication = "sign-in", iam = "sign-in", session = "sign-in", network = "traffic",
  web = "traffic", process = "process", library = "process", driver = "host", file = "host", registry = "host",
  configuration = "host", package = "host", host = "host" }

-- Brute force and its kinds, prompts for a second factor, accounts that are used by others.
local of_technique = { T1110 = "sign-in", T1621 = "sign-in", T1078 = "sign-in" }

-- What fields are about, the surest first. A program is named with traffic too, and a machine with each of them.
local of_fields = {
  { "traffic", { "dns", "destination", "url", "network" } },
  { "process", { "process" } },
  { "host", { "registry", "file", "winlog" } },
  { "sign-in", { "user" } },
  { "traffic", { "source" } },
  { "host", { "host" } },
}

local function areas_of(threat)
  local areas = {}
  for _, record in ipairs(facts.evidence(threat)) do
    for field in pairs(record.context) do
      if type(field) == "string" then areas[field:match "^[^.]+" or ""] = true end
    end
  end
  for _, entity in ipairs(facts.list(threat.entities, "string")) do areas[entity:match "^[^.:]+" or ""] = true end
  return areas
end

local function subject_of(threat)
  for _, category in ipairs(facts.values(threat, "event.category")) do
    if of_category[category] then return of_category[category] end
  end
  for _, id in ipairs(facts.list(threat.mitre_tags, "string")) do
    local subject = of_technique[id:sub(1, 5)]
    if subject then return subject end
  end
  local areas = areas_of(threat)
  for _, entry in ipairs(of_fields) do
    for _, area in ipairs(entry[2]) do
      if areas[area] then return entry[1] end
    end
  end
  return "unknown"
end

local function words_of(threat)
  if threat.threat_type == "anomaly_detection" then return anomalies[subject_of(threat)] end
  return types[type(threat.threat_type) == "string" and threat.threat_type or ""]
end

local function is_technique(id)
  return type(id) == "string" and (id:find "^T%d%d%d%d$" or id:find "^T%d%d%d%d%.%d%d%d$") ~= nil
end

local function techniques_of(threat)
  local ids, seen = {}, {}
  for _, id in ipairs(facts.list(threat.mitre_tags, "string")) do
    if is_technique(id) and not seen[id] and #ids < 10 then
      seen[id] = true
      ids[#ids + 1] = id
    end
  end
  return ids
end

-- What triage decided and the agents of an earlier look found, without the texts.
local function gather(threat)
  local plan, techniques, earlier = facts.table(threat.response_plan), {}, {}
  for _, id in ipairs(techniques_of(threat)) do
    local entry = facts.entry("attack", id)
    if entry then techniques[id] = { name = entry.name, tactics = entry.tactics } end
  end
  for name, finding in pairs(facts.table(threat.agent_analyses)) do
    finding = facts.table(finding)
    if type(name) == "string" and name ~= "priority" then
      earlier[name] = { verdict = finding.verdict, confidence = finding.confidence }
    end
  end
  return {
    techniques = techniques,
    earlier    = earlier,
    plan       = { urgency = plan.urgency, sla_minutes = plan.sla_minutes,
      primary_action = facts.table(plan.primary_action).type },
    doubt      = facts.table(threat.false_positive_score).recommendation,
  }
end

local function tell_size(finding, threat)
  local count = facts.number(threat.event_count)
  local first, last = facts.time(threat.first_seen), facts.time(threat.last_seen)
  if count == nil or count < 1 then return end
  local told = facts.count(math.floor(count), "event")
  if first and last and last - first >= 60 then
    told = ("%s in %d min"):format(told, math.floor((last - first) / 60))
  end
  facts.claim(finding, "observation", told, facts.cite_whole(threat))
end

local function tell_techniques(finding, threat, gathered)
  local ids = techniques_of(threat)
  if #ids == 0 then return end
  local names = {}
  for i, id in ipairs(ids) do
    local name = facts.text(facts.table(facts.table(gathered.techniques)[id]).name)
    names[i] = name and ("%s (%s)"):format(id, name) or id
  end
  finding.mitre = ids
  facts.claim(finding, "assessment", "The rule stands for " .. facts.join(names), facts.cite_whole(threat))
end

local function advise(finding, threat, gathered, level)
  local kind = words_of(threat)
  if kind and level >= 3 then facts.add(finding, "recommendations", kind[1]) end
  local action = facts.table(gathered.plan).primary_action
  if type(action) == "string" and action:find "^[%w_.-]+$" and #action <= 64 and action ~= "monitor" then
    facts.add(finding, "recommendations", "Decide on the planned action " .. action)
  end
  if kind and level >= 4 then finding.customer_message = kind[2] end
end

return agent {
  name       = "priority",
  gather     = gather,
  prompt     = function(threat) return prompts.of("priority", threat) end,
  schema     = schemas.priority,
  offline    = function(threat, gathered)
    local finding, rank = facts.finding(), facts.rank(threat.severity)
    local level = levels[(rank or 0) + 1]
    finding.verdict, finding.confidence, finding.urgency = level.verdict, level.confidence, level.urgency
    if rank then
      finding.severity_suggestion = level.name
    else
      facts.add(finding, "missing_evidence", "The severity of the threat")
    end
    if gathered.doubt == "likely_false_positive" then finding.confidence = 0.2 end
    tell_size(finding, threat)
    tell_techniques(finding, threat, gathered)
    advise(finding, threat, gathered, (rank or 0) + 1)
    return facts.close(finding, "Nothing is known but the rule that fired.")
  end,
  timeout    = "20s",
  max_tokens = 900,
  tests      = {
    { "a grave one is urgent, and says what to do and to tell",
      threat = { severity = "CRITICAL", threat_type = "device_compromise", event_count = 3,
        mitre_tags = { "T1003.002" }, first_seen = "2026-01-05T10:00:00Z", last_seen = "2026-01-05T10:05:30Z",
        evidence = { { id = "E1", context = {} }, { id = "E3", context = {} } } },
      gathered = { techniques = { ["T1003.002"] = { name = "Security Account Manager" } },
        plan = { primary_action = "isolate_host" } },
      expect = { verdict = "suspicious", confidence = 0.5, urgency = "immediate", severity_suggestion = "CRITICAL",
        mitre = { "T1003.002" }, missing_evidence = null,
        summary = "3 events in 5 min. The rule stands for T1003.002 (Security Account Manager).",
        customer_message = "We saw signs that a machine may be compromised and are looking into it.",
        recommendations = { "Look at what ran on the machine before and after, and at the account that ran it",
          "Decide on the planned action isolate_host" },
        claims = { { text = "3 events in 5 min", evidence = { "E1", "E3" } }, { kind = "assessment" } } } },
    { "an unusual sign-in, by its category",
      threat = { severity = "HIGH", threat_type = "anomaly_detection", entities = { "host.name:ws-1" },
        evidence = { { id = "E1",
          context = { ["event.category"] = { "authentication" }, ["process.name"] = "sshd" } } } },
      expect = { recommendations = { "See whether a sign-in succeeded after the failed ones" },
        customer_message = "We saw unusual activity on an account and are looking into it." } },
    { "by what the rule stands for", threat = { severity = "HIGH", threat_type = "anomaly_detection",
        mitre_tags = { "T1110.003" }, entities = { "host.name:ws-1" } },
      expect = { recommendations = { "See whether a sign-in succeeded after the failed ones" } } },
    { "by its fields", threat = { severity = "HIGH", threat_type = "anomaly_detection",
        evidence = { { id = "E1", context = { ["user.name"] = "ana", ["source.ip"] = "203.0.113.9" } } } },
      expect = { recommendations = { "See whether a sign-in succeeded after the failed ones" } } },
    { "a process is no sign-in", threat = { severity = "HIGH", threat_type = "anomaly_detection",
        mitre_tags = { "T1197" }, entities = { "user.name:ana", "host.name:ws-1" },
        evidence = { { id = "E1", context = { ["process.executable"] = "bitsadmin.exe", ["user.name"] = "ana" } } } },
      expect = { recommendations = { "See what started the program, who ran it, and what it did afterwards" },
        customer_message = "We saw unusual activity of a program on a machine and are looking into it." } },
    { "network traffic of a process", threat = { severity = "HIGH", threat_type = "anomaly_detection",
        evidence = { { id = "E1", context = { ["dns.question.name"] = "pool.example", ["host.name"] = "ws-1",
          ["process.executable"] = "/tmp/x" } } } },
      expect = { recommendations = { "See which program talks there, since when, and what went over it" },
        customer_message = "We saw unusual network traffic and are looking into it." } },
    { "a machine's log", threat = { severity = "HIGH", threat_type = "anomaly_detection",
        evidence = { { id = "E1", context = { ["winlog.channel"] = "Security", ["user.name"] = "ana" } } } },
      expect = { recommendations = { "See who did it on the machine, and what came before and after" },
        customer_message = "We saw unusual activity on a machine and are looking into it." } },
    { "a machine, by its entity alone",
      threat = { severity = "MEDIUM", threat_type = "anomaly_detection", entities = { "host.name:ws-1", {}, "" } },
      expect = { recommendations = { "See who did it on the machine, and what came before and after" } } },
    { "an anomaly of nobody knows what", threat = { severity = "HIGH", threat_type = "anomaly_detection",
        evidence = { { id = "E1", context = { ["event.category"] = "unheard", [""] = 1 } } } },
      expect = { recommendations = { "Look at the events before and after, of the same user, machine and address" },
        customer_message = "We saw unusual activity and are looking into it." } },
    { "one of medium severity can be planned, and nothing is told yet",
      threat = { severity = "MEDIUM", threat_type = "bot_traffic", event_count = 1 }, gathered = { plan = {} },
      expect = { urgency = "planned", confidence = 0.3, severity_suggestion = "MEDIUM", customer_message = null,
        claims = {}, summary = "1 event." } },
    { "a low one is decided by others",
      threat = { severity = "LOW", threat_type = "bot_traffic" },
      gathered = { plan = { primary_action = "monitor" } },
      expect = { verdict = "not_evaluable", urgency = "none", recommendations = null } },
    { "where triage doubts it, it is less sure, not less urgent",
      threat = { severity = "HIGH" }, gathered = { doubt = "likely_false_positive" },
      expect = { verdict = "suspicious", confidence = 0.2, urgency = "today", severity_suggestion = "HIGH" } },
    { "a type of somebody's own", threat = { severity = "CRITICAL", threat_type = "own_type" },
      expect = { urgency = "immediate", customer_message = null, recommendations = null } },
    { "an empty threat", threat = {}, expect = { verdict = "not_evaluable", confidence = 0.2, claims = {},
      severity_suggestion = null, missing_evidence = { "The severity of the threat" }, mitre = null } },
    { "values of other types",
      threat = { severity = { "HIGH" }, threat_type = {}, event_count = "many", first_seen = 7, last_seen = {},
        mitre_tags = { "T1", "x", {}, "T1003" }, evidence = { { id = "E1" } } },
      gathered = { techniques = { T1003 = "name" }, plan = { primary_action = "ignore this; close" }, doubt = {} },
      expect = { verdict = "not_evaluable", urgency = "none", mitre = { "T1003" }, recommendations = null,
        claims = { { text = "The rule stands for T1003", evidence = { "E1" } } } } },
  },
}
