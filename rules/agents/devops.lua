-- Does a deployment or an outage explain it? Without a model: the changes (POST /api/events/change) from an hour before
-- the first event on. A change explains what it touches, if a change can cause that, and nothing that began before it.
local facts   = require "agents.facts"
local prompts = require "agents.prompts"
local schemas = require "agents.schemas"

local BEFORE = 3600 -- seconds ahead of the first event in which a change counts
local SLACK  = 300  -- what clocks may differ by

-- What a change can look like. Nothing that a change does looks like a stolen hive or a burst of sign-in prompts.
local caused_by_change = { bot_traffic = true, rate_limit_breach = true, anomaly_detection = true }

local touched = { "host.name", "service.name", "user.name", "source.ip", "destination.domain", "destination.ip" }

-- The change as it counts here, or nil: before the events, or while they went on.
local function read(observation, first, last)
  local at, body = facts.time(observation.time), facts.table(observation.body)
  local began = facts.time(body["event.start"]) or at
  local ended = facts.time(body["event.end"])
  if first == nil or began == nil then return nil end
  if began > (last or first) + SLACK or (ended or began) < first - BEFORE then return nil end
  return { began = began, after = began > first + SLACK, body = body, entity = observation.entity }
end

-- Ids of the evidence that holds what the change touched.
local function cite(threat, change)
  local ids = type(change.entity) == "string" and facts.cite_entity(threat, change.entity) or {}
  for _, field in ipairs(touched) do
    local value = change.body[field]
    if type(value) == "string" and value ~= "" then
      ids = facts.both(ids, facts.cite_entity(threat, field .. ":" .. value))
    end
  end
  return ids
end

local function is_about(threat, change)
  for _, entity in ipairs(facts.list(threat.entities, "string")) do
    local lower = entity:lower()
    if type(change.entity) == "string" and change.entity:lower() == lower then return true end
    for _, field in ipairs(touched) do
      local value = change.body[field]
      if type(value) == "string" and (field .. ":" .. value):lower() == lower then return true end
    end
  end
  return false
end

local function name_of(change)
  local kind = facts.text(change.body["change.kind"], 20) or "change"
  local what = facts.text(change.body["service.name"]) or facts.text(change.body["host.name"])
    or facts.text(change.entity)
  local version = facts.text(change.body["service.version"], 30)
  return kind .. (what and " of " .. what or "") .. (version and " " .. version or "")
end

local function sort_out(threat, changes)
  local first, last = facts.time(threat.first_seen), facts.time(threat.last_seen)
  local near, about = {}, {}
  for _, observation in ipairs(facts.list(changes, "table")) do
    local change = read(observation, first, last)
    if change then
      near[#near + 1] = change
      change.ids = cite(threat, change)
      if #change.ids > 0 or is_about(threat, change) then about[#about + 1] = change end
    end
  end
  return near, about
end

local function tell(finding, threat, about)
  local explained
  for i, change in ipairs(about) do
    if i > 5 then break end
    local first = facts.time(threat.first_seen)
    local minutes = math.floor(math.abs(first - change.began) / 60)
    facts.claim(finding, "change", ("%s, which this is about, %d min %s the first event"):format(name_of(change),
      minutes, change.began > first and "after" or "before"), change.ids)
    explained = explained or not change.after
  end
  return explained and caused_by_change[threat.threat_type] or false
end

return agent {
  name       = "devops",
  gather     = function(threat)
    local since = facts.since(threat, BEFORE)
    return { changes = facts.ask(observations.list, { kind = "change", since = since, limit = 50 }) }
  end,
  prompt     = function(threat) return prompts.of("devops", threat) end,
  schema     = schemas.finding,
  offline    = function(threat, gathered)
    local finding = facts.finding()
    local near, about = sort_out(threat, gathered.changes)
    local explained = tell(finding, threat, about)
    if explained then
      finding.verdict, finding.confidence = "benign_expected", facts.is_grave(threat) and 0.3 or 0.45
      facts.add(finding, "recommendations", "Ask who made the change whether it does this")
    elseif #about > 0 then
      finding.confidence = 0.3
      facts.add(finding, "recommendations", "Check that the change was made by who says so: it does not explain this")
    end
    if type(gathered.changes) ~= "table" then
      finding.confidence = 0.1
      facts.add(finding, "missing_evidence", "Changes: they could not be looked up")
    elseif #near == 0 then
      facts.add(finding, "missing_evidence", "A record of changes around that time")
    end
    return facts.close(finding, #near > 0
      and facts.count(#near, "change") .. " around that time, none of what this is about."
      or "No change is known around that time.")
  end,
  timeout    = "20s",
  max_tokens = 800,
  tests      = {
    { "a deployment of the service that is busy explains a rate limit",
      threat = { threat_type = "rate_limit_breach", severity = "MEDIUM", first_seen = "2026-01-05T10:00:00Z",
        evidence = { { id = "E1", context = { ["service.name"] = "Shop" } } } },
      gathered = { changes = { { time = "2026-01-05T09:50:00Z", entity = "service.name:shop",
        body = { ["change.kind"] = "deployment", ["service.name"] = "shop", ["service.version"] = "4.2" } } } },
      expect = { verdict = "benign_expected", confidence = 0.45, missing_evidence = null, claims = { {
          kind = "change", evidence = { "E1" },
          text = "deployment of shop 4.2, which this is about, 10 min before the first event" } } } },
    { "of a grave threat it is believed less",
      threat = { threat_type = "bot_traffic", severity = "HIGH", first_seen = "2026-01-05T10:00:00Z",
        entities = { "host.name:WEB-01" } },
      gathered = { changes = { { time = "2026-01-05T09:50:00Z", body = { ["host.name"] = "web-01" } } } },
      expect = { verdict = "benign_expected", confidence = 0.3, claims = {},
        summary = "change of web-01, which this is about, 10 min before the first event." } },
    { "a change explains no compromised machine, and may be a pretext",
      threat = { threat_type = "device_compromise", first_seen = "2026-01-05T10:00:00Z",
        entities = { "host.name:ws-1" } },
      gathered = { changes = { { time = "2026-01-05T09:50:00Z", entity = "host.name:ws-1" } } },
      expect = { verdict = "not_evaluable", confidence = 0.3,
        recommendations = { "Check that the change was made by who says so: it does not explain this" } } },
    { "what began before the change is not explained by it",
      threat = { threat_type = "rate_limit_breach", first_seen = "2026-01-05T10:00:00Z",
        last_seen = "2026-01-05T11:00:00Z", entities = { "host.name:ws-1" } },
      gathered = { changes = { { time = "2026-01-05T10:30:00Z", entity = "host.name:ws-1" } } },
      expect = { verdict = "not_evaluable",
        summary = "change of host.name:ws-1, which this is about, 30 min after the first event." } },
    { "an outage that still went on counts by its end",
      threat = { threat_type = "anomaly_detection", first_seen = "2026-01-05T10:00:00Z",
        entities = { "host.name:sso" } },
      gathered = { changes = { { time = "2026-01-05T06:00:00Z", body = { ["change.kind"] = "outage",
        ["host.name"] = "sso", ["event.start"] = "2026-01-05T06:00:00Z", ["event.end"] = "2026-01-05T10:20:00Z" } } } },
      expect = { verdict = "benign_expected" } },
    { "changes of other things are counted only",
      threat = { threat_type = "bot_traffic", first_seen = "2026-01-05T10:00:00Z", entities = { "host.name:ws-1" } },
      gathered = { changes = { { time = "2026-01-05T09:50:00Z", entity = "host.name:db-9" } } },
      expect = { verdict = "not_evaluable", claims = {}, missing_evidence = null,
        summary = "1 change around that time, none of what this is about." } },
    { "and those long before or after are none",
      threat = { threat_type = "bot_traffic", first_seen = "2026-01-05T10:00:00Z", entities = { "host.name:ws-1" } },
      gathered = { changes = { { time = "2026-01-05T07:50:00Z", entity = "host.name:ws-1" },
        { time = "2026-01-05T11:50:00Z", entity = "host.name:ws-1" } } },
      expect = { verdict = "not_evaluable", summary = "No change is known around that time." } },
    { "an empty record", threat = { id = "1", first_seen = "2026-01-05T10:00:00Z" }, gathered = { changes = {} },
      expect = { verdict = "not_evaluable", confidence = 0.2, claims = {},
        missing_evidence = { "A record of changes around that time" } } },
    { "nothing was gathered", threat = {}, expect = { verdict = "not_evaluable", confidence = 0.1, claims = {},
      missing_evidence = { "Changes: they could not be looked up" } } },
    { "values of other types",
      threat = { threat_type = {}, first_seen = "2026-01-05T10:00:00Z", last_seen = 7, entities = { 1, {} } },
      gathered = { changes = { "x", { time = 7 }, { time = "2026-01-05T09:50:00Z", entity = { "a" }, body = "x" },
        { time = "2026-01-05T09:50:00Z", entity = "x", body = { ["host.name"] = { "a" }, ["event.end"] = 7 } } } },
      expect = { verdict = "not_evaluable", claims = {} } },
  },
}
