-- Is the outside world saying anything? Without a model: the indicators that triage matched, the calendar, the news
-- (POST /api/events/news) that names what is in the evidence, and traffic of the same assets that left against the
-- rules (POST /api/events/egress). A busy day explains traffic only where the calendar says so for this type.
local facts   = require "agents.facts"
local prompts = require "agents.prompts"
local schemas = require "agents.schemas"

local NEWS   = 7 * 86400 -- seconds that news counts
local EGRESS = 3600      -- seconds ahead of the first event in which a violation counts
local SURE   = 80        -- confidence from which an indicator alone speaks of an attack
local UNSAID = 50        -- of an indicator without one

-- What the calendar says of the day of the first event: by date, by day of the year, by weekday.
local function day_of(threat)
  local at = facts.time(threat.first_seen)
  if at == nil then return {} end
  at = math.floor(at)
  local days = {}
  for _, form in ipairs { "!%Y-%m-%d", "!%m-%d", "!%A" } do
    local day = facts.entry("business_calendar", os.date(form, at):lower())
    if day then
      days[1] = day
      break
    end
  end
  return days
end

local function confidence_of(match)
  return math.max(0, math.min(100, facts.number(facts.table(match.attributes).confidence) or UNSAID))
end

local function known(threat, id)
  for _, record in ipairs(facts.evidence(threat)) do
    if record.id == id then return { id } end
  end
  return {}
end

local function check_intel(finding, threat)
  local best
  for i, match in ipairs(facts.list(threat.intel_matches, "table")) do
    local sure, attributes = confidence_of(match), facts.table(match.attributes)
    best = math.max(best or 0, sure)
    if i <= 10 then
      local told = ("%s in %s stands in the list %s"):format(facts.text(match.indicator, 100) or "a value",
        facts.text(match.field) or "the evidence", facts.text(match.list) or "of indicators")
      local category = facts.text(attributes.category)
      told = ("%s%s, confidence %d of 100"):format(told, category and " as " .. category or "", sure // 1 | 0)
      facts.claim(finding, "intel", told, known(threat, match.evidence))
    end
  end
  return best
end

local assets = { "host.name", "user.name", "service.name", "source.ip", "destination.domain", "destination.ip" }

-- Ids of the evidence in which what an observation is about stands, and whether it is about an entity of the threat.
local function relate(threat, observation)
  local body, names = facts.table(observation.body), { observation.entity }
  for _, field in ipairs(assets) do
    if type(body[field]) == "string" then names[#names + 1] = field .. ":" .. body[field] end
  end
  local ids, about = {}, false
  local entities = {}
  for _, entity in ipairs(facts.list(threat.entities, "string")) do entities[entity:lower()] = true end
  for _, name in ipairs(facts.list(names, "string")) do
    ids = facts.both(ids, facts.cite_entity(threat, name))
    about = about or entities[name:lower()] == true
  end
  return ids, about or #ids > 0
end

local function check_egress(finding, threat, gathered)
  local found, cited = 0, {}
  local first = facts.time(threat.first_seen)
  for _, violation in ipairs(facts.list(gathered.egress, "table")) do
    local at = facts.time(violation.time)
    local ids, about = relate(threat, violation)
    if about and first and at and at >= first - EGRESS then
      found = found + 1
      cited = facts.both(cited, ids)
    end
  end
  if found > 0 then
    local told = facts.count(found, "violation") .. " of the egress rules by what this is about"
    facts.claim(finding, "context", told, cited)
    facts.add(finding, "recommendations", "Look at the traffic that left against the rules")
  end
  return found > 0
end

-- News speaks of a product or a vulnerability: it counts where that stands in the evidence.
local function check_news(finding, threat, gathered)
  local found = 0
  for _, item in ipairs(facts.list(gathered.news, "table")) do
    local body = facts.table(item.body)
    local ids, about = relate(threat, item)
    local cve = type(body["vulnerability.id"]) == "table" and facts.list(body["vulnerability.id"], "string")
      or { body["vulnerability.id"] }
    for _, id in ipairs(facts.list(cve, "string")) do ids = facts.both(ids, facts.cite_value(threat, id)) end
    if (about or #ids > 0) and found < 5 then
      found = found + 1
      local told = "News of what this is about: " .. (facts.text(body["news.title"], 120) or "untitled")
      facts.claim(finding, "context", told, ids)
    end
  end
  return found > 0
end

-- True where the calendar explains this type.
local function check_calendar(finding, threat, gathered)
  local day = facts.table(facts.list(gathered.calendar, "table")[1])
  local name = facts.text(day.name)
  if name == nil then return false end
  for _, kind in ipairs(facts.list(day.types, "string")) do
    if kind == threat.threat_type and day.effect == "traffic" then
      facts.claim(finding, "context", "It happened on a day of more traffic than usual: " .. name,
        facts.cite_whole(threat))
      return true
    end
  end
  if day.effect == "quiet" then
    facts.claim(finding, "context", "It happened on a day on which few people watch: " .. name,
      facts.cite_whole(threat))
  end
  return false
end

local function judge(threat, intel, egress, news, calendar)
  if intel and intel >= SURE then return "malicious", egress and 0.7 or 0.6 end
  if intel or egress then return "suspicious", intel and egress and 0.6 or 0.5 end
  if news then return "suspicious", 0.3 end
  if calendar then return "benign_expected", facts.is_grave(threat) and 0.25 or 0.35 end
  return "not_evaluable", 0.2
end

return agent {
  name       = "context",
  gather     = function(threat)
    return {
      calendar = day_of(threat),
      intel    = facts.list(threat.intel_matches, "table"),
      news     = facts.ask(observations.list, { kind = "news", since = NEWS, limit = 20 }),
      egress   = facts.ask(observations.list, { kind = "egress", since = facts.since(threat, EGRESS), limit = 50 }),
    }
  end,
  prompt     = function(threat) return prompts.of("context", threat) end,
  schema     = schemas.finding,
  offline    = function(threat, gathered)
    local finding = facts.finding()
    local intel  = check_intel(finding, threat)
    local egress = check_egress(finding, threat, gathered)
    local news   = check_news(finding, threat, gathered)
    finding.verdict, finding.confidence = judge(threat, intel, egress, news, check_calendar(finding, threat, gathered))
    if intel and intel >= SURE then
      facts.add(finding, "recommendations", "Look for the same indicators in the traffic of other machines")
    end
    for _, kind in ipairs { "news", "egress" } do
      if type(gathered[kind]) ~= "table" then
        facts.add(finding, "missing_evidence", "Observations of kind " .. kind .. ": they could not be looked up")
      end
    end
    return facts.close(finding, "No indicator, no news and no special day is known for it.")
  end,
  timeout    = "20s",
  max_tokens = 800,
  tests      = {
    { "an indicator of a sure source speaks of an attack",
      threat = { severity = "HIGH", evidence = { { id = "E1", context = {} }, { id = "E2", context = {} } },
        intel_matches = { { list = "intel_ips", indicator = "203.0.113.66", field = "source.ip", evidence = "E2",
          attributes = { confidence = "90", category = "command and control" } } } },
      gathered = { news = {}, egress = {}, calendar = {} },
      expect = { verdict = "malicious", confidence = 0.6, missing_evidence = null, claims = { { kind = "intel",
        evidence = { "E2" }, text = "203.0.113.66 in source.ip stands in the list intel_ips as command and control, "
          .. "confidence 90 of 100" } } } },
    { "one that says nothing of itself makes it suspicious, and no evidence is made up for it",
      threat = { intel_matches = { { indicator = "x", evidence = "E9", attributes = {} } } },
      gathered = { news = {}, egress = {} },
      expect = { verdict = "suspicious", confidence = 0.5, claims = {},
        summary = "x in the evidence stands in the list of indicators, confidence 50 of 100." } },
    { "traffic that left against the rules from the same host",
      threat = { first_seen = "2026-01-05T10:00:00Z",
        evidence = { { id = "E1", context = { ["host.name"] = "ws-1" } } } },
      gathered = { news = {}, egress = { { time = "2026-01-05T10:10:00Z", entity = "host.name:WS-1", body = {} },
        { time = "2026-01-05T10:11:00Z", entity = "host.name:ws-2", body = {} } } },
      expect = { verdict = "suspicious", confidence = 0.5, claims = { { evidence = { "E1" },
        text = "1 violation of the egress rules by what this is about" } } } },
    { "long before, or of another host, it says nothing",
      threat = { first_seen = "2026-01-05T10:00:00Z", entities = { "host.name:ws-1" } },
      gathered = { news = {}, egress = { { time = "2026-01-05T08:10:00Z", entity = "host.name:ws-1" } } },
      expect = { verdict = "not_evaluable", claims = {} } },
    { "news of a vulnerability that is in the evidence",
      threat = { evidence = { { id = "E1", context = { message = "x", ["vulnerability.id"] = "cve-2026-1" } } } },
      gathered = { egress = {}, news = { { body = { ["news.title"] = "A \"bad\" one", ["vulnerability.id"] = {
        "CVE-2026-1" } } }, { body = { ["news.title"] = "Another" } } } },
      expect = { verdict = "suspicious", confidence = 0.3, claims = { { evidence = { "E1" },
        text = "News of what this is about: A  bad  one" } } } },
    { "a day of much traffic explains traffic",
      threat = { threat_type = "bot_traffic", evidence = { { id = "E1", context = {} } } },
      gathered = { news = {}, egress = {}, calendar = { { name = "Black Friday", effect = "traffic",
        types = { "bot_traffic" } } } },
      expect = { verdict = "benign_expected", confidence = 0.35, claims = { { evidence = { "E1" } } } } },
    { "and nothing else",
      threat = { threat_type = "device_compromise" },
      gathered = { news = {}, egress = {}, calendar = { { name = "Black Friday", effect = "traffic",
        types = { "bot_traffic" } } } },
      expect = { verdict = "not_evaluable", claims = {} } },
    { "a quiet day is named",
      threat = { threat_type = "bot_traffic" },
      gathered = { news = {}, egress = {}, calendar = { { name = "weekend", effect = "quiet" } } },
      expect = { verdict = "not_evaluable", summary = "It happened on a day on which few people watch: weekend." } },
    { "an empty world", threat = { id = "1" }, gathered = { news = {}, egress = {}, calendar = {} },
      expect = { verdict = "not_evaluable", confidence = 0.2, claims = {}, missing_evidence = null,
        summary = "No indicator, no news and no special day is known for it." } },
    { "nothing was gathered", threat = {}, expect = { verdict = "not_evaluable", claims = {}, missing_evidence = {
      "Observations of kind news: they could not be looked up",
      "Observations of kind egress: they could not be looked up" } } },
    { "values of other types",
      threat = { first_seen = {}, entities = { {} }, evidence = "E1", intel_matches = { "x", { indicator = {}, list = 7,
        evidence = {}, attributes = { confidence = "very" } } } },
      gathered = { calendar = { { name = {}, types = "all" } }, news = { 1, { entity = {}, body = {
        ["vulnerability.id"] = { 7, {} }, ["news.title"] = {} } } },
        egress = { { time = 7, entity = 7, body = "x" } } },
      expect = { verdict = "suspicious", claims = {} } },
  },
}
