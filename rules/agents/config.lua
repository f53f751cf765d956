-- Do this customer's settings explain it? Without a model: the customer's profile (rules/lists/customers.lua says what
-- may stand in it), what is known of the assets, and the allow-list. A setting explains a kind of traffic; it never
-- says that a machine is clean.
local facts   = require "agents.facts"
local prompts = require "agents.prompts"
local schemas = require "agents.schemas"

-- Types that a person's working hours say something about.
local human = { anomaly_detection = true, geo_anomaly = true, device_compromise = true, proxy_network = true }

local function lookup(name, entities)
  local found = {}
  for _, entity in ipairs(entities) do
    local value = entity:match "^[^:]+:(.+)$"
    found[entity] = facts.entry(name, entity) or facts.entry(name, value)
  end
  return found
end

local function gather(threat)
  local entities = facts.list(threat.entities, "string")
  local profile = facts.entry("customers", threat.customer_name)
  return {
    known   = profile ~= nil,
    profile = profile or facts.entry("customers", "default") or {},
    assets  = lookup("assets", entities),
    allowed = lookup("allowlist", entities),
  }
end

-- What speaks for "expected" and for "not", as they are found.
local function weigh(finding, sides, side, text, ids)
  facts.claim(finding, "config", text, ids)
  sides[side] = sides[side] + 1
end

local function check_expected(finding, sides, threat, profile)
  local type_name = type(threat.threat_type) == "string" and threat.threat_type or ""
  local why = facts.text(facts.table(profile.expected)[type_name], 160)
  if why == nil then return end
  local told = "The customer expects this kind of traffic: " .. why
  if type_name == "device_compromise" then
    facts.claim(finding, "config", told .. "; which explains no compromised machine", facts.cite_whole(threat))
  else
    weigh(finding, sides, "expected", told, facts.cite_whole(threat))
  end
end

local function check_allowed(finding, sides, threat, gathered)
  local today = os.date("!%Y-%m-%d", math.floor(facts.time(threat.last_seen) or time.now()))
  for entity, entry in pairs(facts.table(gathered.allowed)) do
    entry = facts.table(entry)
    local over = type(entry.expires) == "string" and entry.expires < today
    local other_customer = entry.customer ~= nil and entry.customer ~= threat.customer_name
    local other_rule = entry.rule ~= nil and entry.rule ~= facts.table(threat.rule).id
    if type(entity) == "string" and not (over or other_customer or other_rule) then
      weigh(finding, sides, "expected", ("%s is on the allow-list: %s"):format(facts.text(entity),
        facts.text(entry.reason, 160) or "no reason given"), facts.cite_entity(threat, entity))
    end
  end
end

local function in_window(window, at)
  window = facts.table(window)
  local from, to = facts.number(window.from), facts.number(window.to)
  if from == nil or to == nil or type(window.day) ~= "string" then return false end
  local hour = at % 86400 / 3600
  local on_day = window.day == "daily" or window.day:lower() == os.date("!%A", math.floor(at)):lower()
  return on_day and hour >= from and hour < to
end

local function check_maintenance(finding, sides, threat, profile)
  local first, last = facts.time(threat.first_seen), facts.time(threat.last_seen)
  if first == nil then return end
  for _, window in ipairs(facts.list(profile.maintenance, "table")) do
    if in_window(window, first) and in_window(window, last or first) then
      weigh(finding, sides, "expected", "It happened within a maintenance window: "
        .. (facts.text(window.what) or "not named"), facts.cite_whole(threat))
    end
  end
end

local function check_hours(finding, sides, threat, profile)
  local hours, first = facts.list(profile.business_hours), facts.time(threat.first_seen)
  local from, to = facts.number(hours[1]), facts.number(hours[2])
  if not (human[threat.threat_type] and first and from and to) then return end
  local hour = (first / 3600 + (facts.number(profile.timezone_offset) or 0)) % 24
  if hour < from or hour >= to then
    weigh(finding, sides, "unexpected", ("It began outside the business hours, %g to %g"):format(from, to),
      facts.cite_whole(threat))
  end
end

local function check_countries(finding, sides, threat, profile)
  local ours = facts.list(profile.countries, "string")
  if #ours == 0 then return end
  local known, foreign = {}, {}
  for _, country in ipairs(ours) do known[country:upper()] = true end
  for _, country in ipairs(facts.values(threat, "source.geo.country_iso_code")) do
    if not known[country:upper()] then foreign[#foreign + 1] = country end
  end
  if #foreign == 0 then return end
  local ids = facts.cite(threat, function(context)
    local country = context["source.geo.country_iso_code"]
    return type(country) == "string" and not known[country:upper()]
  end)
  local told = ("It came from %s; the customer works from %s"):format(facts.text(facts.join(foreign)),
    facts.text(facts.join(ours, 8)))
  if profile.remote_workers == true then
    facts.claim(finding, "config", told .. " and has people who work from changing places", ids)
  else
    weigh(finding, sides, "unexpected", told, ids)
  end
end

local function check_assets(finding, threat, gathered)
  for entity, asset in pairs(facts.table(gathered.assets)) do
    local criticality = facts.text(facts.table(asset).criticality, 20)
    if type(entity) == "string" and (criticality == "critical" or criticality == "high") then
      local role = facts.text(asset.role)
      facts.claim(finding, "config", ("%s is an asset of %s criticality%s"):format(facts.text(entity), criticality,
        role and ", " .. role or ""), facts.cite_entity(threat, entity))
      local owner = facts.text(asset.owner)
      if owner then facts.add(finding, "recommendations", ("Ask %s about %s"):format(owner, facts.text(entity))) end
    end
  end
end

local function judge(threat, sides)
  if sides.expected > 0 and sides.unexpected > 0 then return "not_evaluable", 0.3 end
  if sides.expected > 0 then return "benign_expected", facts.is_grave(threat) and 0.35 or 0.5 end
  if sides.unexpected > 0 then return "suspicious", sides.unexpected > 1 and 0.4 or 0.3 end
  return "not_evaluable", 0.2
end

return agent {
  name       = "config",
  gather     = gather,
  prompt     = function(threat) return prompts.of("config", threat) end,
  schema     = schemas.finding,
  offline    = function(threat, gathered)
    local finding, sides, profile = facts.finding(), { expected = 0, unexpected = 0 }, facts.table(gathered.profile)
    check_expected(finding, sides, threat, profile)
    check_allowed(finding, sides, threat, gathered)
    check_maintenance(finding, sides, threat, profile)
    check_hours(finding, sides, threat, profile)
    check_countries(finding, sides, threat, profile)
    check_assets(finding, threat, gathered)
    finding.verdict, finding.confidence = judge(threat, sides)
    if gathered.known ~= true then
      facts.add(finding, "missing_evidence", "A profile of this customer")
    end
    return facts.close(finding, "No setting of this customer speaks for or against it.")
  end,
  timeout    = "20s",
  max_tokens = 800,
  tests      = {
    { "what the profile expects explains it",
      threat = { threat_type = "bot_traffic", severity = "MEDIUM", evidence = { { id = "E1", context = {} } } },
      gathered = { known = true, profile = { expected = { bot_traffic = "partners \"poll\" the price list" } } },
      expect = { verdict = "benign_expected", confidence = 0.5, missing_evidence = null, claims = { { kind = "config",
        evidence = { "E1" }, text = "The customer expects this kind of traffic: partners  poll  the price list" } } } },
    { "a profile explains no compromised machine",
      threat = { threat_type = "device_compromise", evidence = { { id = "E1", context = {} } } },
      gathered = { known = true, profile = { expected = { device_compromise = "tests" } } },
      expect = { verdict = "not_evaluable" } },
    { "of a grave threat it is believed less",
      threat = { threat_type = "bot_traffic", severity = "HIGH" },
      gathered = { known = true, profile = { expected = { bot_traffic = "x" } } },
      expect = { verdict = "benign_expected", confidence = 0.35, claims = {},
        summary = "The customer expects this kind of traffic: x." } },
    { "an entry of the allow-list explains it, with its reason",
      threat = { entities = { "source.ip:192.0.2.10" }, last_seen = "2026-01-05T10:00:00Z",
        evidence = { { id = "E1", context = { ["source.ip"] = "192.0.2.10" } } } },
      gathered = { known = true, allowed = { ["source.ip:192.0.2.10"] = { reason = "the scanner" } } },
      expect = { verdict = "benign_expected", claims = { { evidence = { "E1" },
        text = "source.ip:192.0.2.10 is on the allow-list: the scanner" } } } },
    { "an entry that is over, or for another customer or rule, explains nothing",
      threat = { customer_name = "acme", rule = { id = "a.b" }, last_seen = "2026-01-05T10:00:00Z" },
      gathered = { known = true, allowed = { ["a:1"] = { expires = "2026-01-04" }, ["a:2"] = { customer = "other" },
        ["a:3"] = { rule = "c.d" } } },
      expect = { verdict = "not_evaluable", confidence = 0.2, claims = {} } },
    { "a maintenance window on its day",
      threat = { first_seen = "2026-01-04T02:10:00Z", last_seen = "2026-01-04T02:20:00Z" },
      gathered = { known = true, profile = {
        maintenance = { { day = "sunday", from = 2, to = 5, what = "upgrades" } } } },
      expect = { verdict = "benign_expected", summary = "It happened within a maintenance window: upgrades." } },
    { "on another day, or only in part, it explains nothing",
      threat = { first_seen = "2026-01-04T02:10:00Z", last_seen = "2026-01-04T06:00:00Z" },
      gathered = { known = true, profile = { maintenance = { { day = "sunday", from = 2, to = 5 },
        { day = "monday", from = 0, to = 24 } } } },
      expect = { verdict = "not_evaluable" } },
    { "outside the hours and the countries",
      threat = { threat_type = "geo_anomaly", first_seen = "2026-01-05T01:00:00Z", evidence = {
        { id = "E1", context = { ["source.geo.country_iso_code"] = "DE" } },
        { id = "E2", context = { ["source.geo.country_iso_code"] = "US" } } } },
      gathered = { known = true, profile = { business_hours = { 8, 18 }, timezone_offset = 1, countries = { "de" } } },
      expect = { verdict = "suspicious", confidence = 0.4, claims = { { evidence = { "E1", "E2" } },
        { evidence = { "E2" }, text = "It came from US; the customer works from de" } } } },
    { "people who travel are no surprise",
      threat = { threat_type = "geo_anomaly", evidence = {
        { id = "E1", context = { ["source.geo.country_iso_code"] = "US" } } } },
      gathered = { known = true, profile = { remote_workers = true, countries = { "DE" } } },
      expect = { verdict = "not_evaluable", claims = { { evidence = { "E1" } } } } },
    { "for and against is undecided",
      threat = { threat_type = "proxy_network", first_seen = "2026-01-05T01:00:00Z" },
      gathered = { known = true, profile = { business_hours = { 8, 18 }, expected = { proxy_network = "a VPN" } } },
      expect = { verdict = "not_evaluable", confidence = 0.3 } },
    { "what is at stake, and who to ask",
      threat = { evidence = { { id = "E3", context = { ["host.name"] = "DC01" } } } },
      gathered = { known = true, assets = { ["host.name:dc01"] = { criticality = "critical", owner = "identity team",
        role = "domain controller" } } },
      expect = { recommendations = { "Ask identity team about host.name:dc01" }, claims = { { evidence = { "E3" },
        text = "host.name:dc01 is an asset of critical criticality, domain controller" } } } },
    { "an unknown customer", threat = { id = "1" }, gathered = { known = false, profile = {} },
      expect = { verdict = "not_evaluable", claims = {}, missing_evidence = { "A profile of this customer" } } },
    { "nothing was gathered", threat = {}, expect = { verdict = "not_evaluable", claims = {} } },
    { "values of other types",
      threat = { threat_type = { "bot_traffic" }, first_seen = 7, last_seen = "yesterday", entities = "x", rule = "r",
        evidence = { { id = "E1", context = { ["source.geo.country_iso_code"] = { "US" } } } } },
      gathered = { known = "yes", assets = { ["a:b"] = "critical" }, allowed = "all", profile = { expected = "all",
        maintenance = { "always", { day = 7, from = "x" } }, business_hours = "always", countries = { 1, { "DE" } },
        remote_workers = "yes" } },
      expect = { verdict = "not_evaluable" } },
  },
}
