-- How likely a threat is a false alarm: a score from 0 (real) to 1 (nothing), as a base plus signed weights with
-- reasons that add up to it. What is measured counts: analysts' verdicts, allow-lists, addresses. What is missing is
-- neutral, never benign; what a stranger can write, such as a name in a user agent, never helps alone.
local facts = require "triage.facts"
local text, count, table_of, brief = facts.text, facts.count, facts.table, facts.brief
local allowlist, crawler_ranges = list "allowlist", list "crawler_ranges"

-- Before anything is known of a threat. Noisy types begin in the middle, clear ones below it.
local bases = {
  bot_traffic = 0.45, proxy_network = 0.4, device_compromise = 0.25, anomaly_detection = 0.45,
  rate_limit_breach = 0.45, geo_anomaly = 0.4,
}

local weight_of_rule, weight_of_entity = 0.35, 0.25
local prior = 4 -- so many undecided verdicts stand against each that was given: few verdicts move little

local function two(number)
  return math.floor(number * 100 + 0.5) / 100
end

local function counts_of(given)
  local counts = table_of(given)
  local benign = count(counts.false_positive) + count(counts.benign_true_positive)
  return benign, count(counts.true_positive)
end

-- -1 (always real) to 1 (always nothing), drawn towards 0 while there are few verdicts.
local function leaning(benign, real)
  return (benign - real) / (benign + real + prior)
end

local function verdict_indicators(context, add)
  local verdicts = table_of(context.verdicts)
  local benign, real = counts_of(verdicts.rule)
  if benign + real > 0 then
    add("verdicts_rule", leaning(benign, real) * weight_of_rule,
        string.format("analysts found %d of %d threats of this rule to be nothing", benign, benign + real))
  end
  local most, entity, of_benign, of_real = 0, nil, 0, 0
  for name, counts in pairs(table_of(verdicts.entities)) do
    local b, r = counts_of(counts)
    local lean = b + r > 0 and leaning(b, r) or 0
    if math.abs(lean) > math.abs(most) then most, entity, of_benign, of_real = lean, name, b, r end
  end
  if entity then
    add("verdicts_entity", most * weight_of_entity,
        string.format("of those about %s, %d of %d were nothing", brief(entity, 60), of_benign,
                      of_benign + of_real))
  end
  return benign + real + of_benign + of_real
end

-- An entry counts for its customer and rule only, and until its date.
local function holds(entry, threat, now)
  local rule = text(table_of(threat.rule).id)
  if text(entry.customer) and entry.customer ~= threat.customer_name then return false end
  if text(entry.rule) and entry.rule ~= rule then return false end
  local expires = text(entry.expires)
  if expires and expires ~= "" then
    local at = #expires == 10 and time.parse(expires .. "T23:59:59Z", "rfc3339") or nil
    return at ~= nil and now ~= nil and now <= at
  end
  return true
end

local function entry_of(entity, threat, now)
  local entry = facts.listed(allowlist, entity.text) or facts.listed(allowlist, entity.value)
  return entry and holds(entry, threat, now) and entry or nil
end

-- Addresses weigh more than names, which a stranger can choose; and of several addresses all have to be there: one
-- that is known to be harmless says nothing for the others.
local function allowed(threat, context, add)
  local now, by_name, by_address, other = facts.number(context.now), nil, nil, false
  for _, entity in ipairs(facts.entities(threat)) do
    local entry = entry_of(entity, threat, now)
    local found = entry and { entity = entity, entry = entry }
    if entity.field:sub(-3) == ".ip" then
      by_address, other = by_address or found, other or not found
    else
      by_name = by_name or found
    end
  end
  local best = not other and by_address or by_name
  if not best then return end
  add("allowlist", best == by_name and 0.15 or 0.3, brief(best.entity.text, 60) .. " is on the allow-list: " ..
      brief(best.entry.reason or "no reason given"))
end

local crawler_names = {
  "googlebot", "bingbot", "applebot", "duckduckbot", "yandexbot", "baiduspider", "facebookexternalhit",
}
local crawled_types = { bot_traffic = true, rate_limit_breach = true }

-- The crawler that a user agent says it is, in lower case; nil for another one.
local function claimed(agent, range)
  local lower = agent:lower()
  local expected = range and (text(range.agent) or ""):lower() or ""
  if expected ~= "" and lower:find(expected, 1, true) then return expected, true end
  for i = 1, #crawler_names do
    if lower:find(crawler_names[i], 1, true) then return crawler_names[i], false end
  end
end

-- A crawler is one when its name and its address agree, in all that was seen; a name alone is what a liar would write.
local function crawler(threat, add)
  local events = facts.events(threat)
  local agents = facts.values(events, "user_agent.original")
  if #agents == 0 then return end
  local addresses = facts.values(events, "source.ip")
  if #addresses == 0 then addresses = facts.values(events, "client.ip") end
  local all, liar, name = #agents <= 10 and #addresses <= 10, nil, nil
  for i = 1, math.min(#agents, 10) do
    for j = 1, math.max(1, math.min(#addresses, 10)) do
      local range = addresses[j] and facts.listed(crawler_ranges, addresses[j].value)
      local says, is_there = claimed(agents[i].value, range)
      if is_there then name = brief(range.name or says) else liar, all = liar or says, false end
    end
  end
  if liar then
    add("claimed_crawler", -0.2, "it calls itself " .. liar ..
        (#addresses > 0 and " but does not come from there" or ", and no address says so"))
  elseif all and crawled_types[threat.threat_type] then
    add("verified_crawler", 0.4, name .. " from an address of its operator")
  end
end

local function intel(threat, add)
  local first = table_of(table_of(threat.intel_matches)[1])
  if text(first.indicator) then
    add("intel", -0.25, brief(first.indicator, 60) .. " stands in the list " .. brief(first.list or "?"))
  end
end

local function volume(threat, add)
  local events = count(threat.event_count)
  if events >= 1000 then add("volume", -0.1, string.format("%d events are more than a slip", events)) end
end

local function is_bent(context)
  return #table_of(table_of(context.manipulation).findings) > 0
end

local function sentence(score, indicators)
  local words = score >= 0.7 and "It is probably nothing" or score <= 0.35 and "It is probably real"
                or "A person should decide"
  local strongest
  for _, one in ipairs(indicators) do
    if one.name ~= "limit" and (not strongest or math.abs(one.weight) > math.abs(strongest.weight)) then
      strongest = one
    end
  end
  return strongest and words .. ": " .. strongest.reason .. "." or words .. ": nothing is known for or against it."
end

return policy {
  name = "false_positive",
  decide = function(threat, context)
    local base = bases[text(threat.threat_type) or ""] or 0.4
    local indicators, score, bent = {}, base, is_bent(context)
    local function add(name, weight, reason)
      weight = two(weight)
      -- Where somebody may bend the picture, what speaks for nothing may be theirs.
      if weight == 0 or weight > 0 and bent and name ~= "limit" then return end
      indicators[#indicators + 1] = { name = name, weight = weight, reason = reason }
      score = score + weight
    end
    local decided = verdict_indicators(context, add)
    allowed(threat, context, add)
    crawler(threat, add)
    intel(threat, add)
    volume(threat, add)
    if bent then add("manipulation", -0.2, "somebody may bend the picture: what speaks for nothing does not count") end
    score = two(score)
    local limited = math.max(0, math.min(1, score))
    if limited ~= score then add("limit", limited - score, "a score lies between 0 and 1") end
    score = limited
    local confidence = two(math.min(0.95, 0.2 + 0.1 * #indicators + 0.5 * decided / (decided + 10)))
    return {
      score = score, confidence = #indicators == 0 and 0 or confidence, base = base, indicators = indicators,
      recommendation = score >= 0.7 and "likely_false_positive" or score <= 0.35 and "likely_real_threat"
          or "needs_review",
      explanation = sentence(score, indicators),
    }
  end,
  tests = {
    { "nothing is known: neutral", threat = { threat_type = "bot_traffic" },
      expect = { score = 0.45, confidence = 0, base = 0.45, indicators = {}, recommendation = "needs_review" } },
    { "a few verdicts move little", threat = { threat_type = "geo_anomaly" },
      context = { verdicts = { rule = { false_positive = 1 }, entities = {} } },
      expect = { score = 0.47, indicators = { { name = "verdicts_rule", weight = 0.07 } } } },
    { "many verdicts move a lot", threat = { threat_type = "geo_anomaly" },
      context = { verdicts = { rule = { false_positive = 96 },
          entities = { ["user.name:ana"] = { false_positive = 30 } } } },
      expect = { score = 0.96, recommendation = "likely_false_positive" } },
    { "true positives speak against a false alarm", threat = { threat_type = "geo_anomaly" },
      context = { verdicts = { rule = { true_positive = 96 } } },
      expect = { score = 0.06, recommendation = "likely_real_threat" } },
    { "a crawler by name and address",
      threat = { threat_type = "bot_traffic", evidence = { { id = "E1", context = {
        ["user_agent.original"] = "Mozilla/5.0 (compatible; Googlebot/2.1)", ["source.ip"] = "66.249.66.1" } } } },
      lists = { crawler_ranges = { ["66.249.64.0/19"] = { name = "Googlebot", agent = "googlebot" } } },
      expect = { score = 0.85, indicators = { { name = "verified_crawler", weight = 0.4 } } } },
    { "the name alone is suspicious",
      threat = { threat_type = "bot_traffic", evidence = { { id = "E1", context = {
        ["user_agent.original"] = "Googlebot/2.1", ["source.ip"] = "203.0.113.9" } } } },
      lists = { crawler_ranges = { ["66.249.64.0/19"] = { name = "Googlebot", agent = "googlebot" } } },
      expect = { score = 0.25, indicators = { { name = "claimed_crawler", weight = -0.2 } } } },
    { "the address alone proves nothing",
      threat = { threat_type = "bot_traffic", evidence = { { id = "E1", context = {
        ["user_agent.original"] = "curl/8", ["source.ip"] = "66.249.66.1" } } } },
      lists = { crawler_ranges = { ["66.249.64.0/19"] = { name = "Googlebot", agent = "googlebot" } } },
      expect = { score = 0.45, indicators = {} } },
    { "an allow-list entry for another customer or past its date does not count",
      threat = { customer_name = "globex", entities = { "source.ip:192.0.2.10", "user.name:ana" } },
      context = { now = 1800000000 },
      lists = { allowlist = { ["192.0.2.10"] = { customer = "acme" },
          ["user.name:ana"] = { expires = "2026-01-31" } } },
      expect = { score = 0.4, indicators = {} } },
    { "one address that is known to be harmless says nothing for the others",
      threat = { entities = { "source.ip:192.0.2.10", "source.ip:203.0.113.9" } },
      lists = { allowlist = { "192.0.2.10" } }, expect = { score = 0.4, indicators = {} } },
    { "a network holds its addresses, and a name weighs less",
      threat = { entities = { "user.name:svc", "source.ip:192.0.2.33", "source.ip:192.0.2.34" } },
      lists = { allowlist = { "192.0.2.32/28", "user.name:svc" } },
      expect = { score = 0.7, indicators = { { name = "allowlist",
          reason = "source.ip:192.0.2.33 is on the allow-list: no reason given" } } } },
    { "a name alone", threat = { entities = { "user.name:svc", "source.ip:203.0.113.9" } },
      lists = { allowlist = { ["user.name:svc"] = { reason = "probe" } } },
      expect = { score = 0.55, indicators = { { name = "allowlist", weight = 0.15 } } } },
    { "what a stranger writes elsewhere is no entry",
      threat = { evidence = { { id = "E1", context = { ["user_agent.original"] = "192.0.2.10" } } } },
      lists = { allowlist = { "192.0.2.10" } }, expect = { score = 0.4, indicators = {} } },
    { "one request of a crawler does not vouch for the rest",
      threat = { threat_type = "bot_traffic", evidence = {
        { id = "E1", context = { ["user_agent.original"] = "Googlebot/2.1", ["source.ip"] = "66.249.66.1" } },
        { id = "E2", context = { ["user_agent.original"] = "python-requests", ["source.ip"] = "66.249.66.2" } } } },
      lists = { crawler_ranges = { ["66.249.64.0/19"] = { name = "Googlebot", agent = "googlebot" } } },
      expect = { score = 0.45, indicators = {} } },
    { "nor its address for others that take its name",
      threat = { threat_type = "bot_traffic", evidence = { { id = "E1", context = {
        ["user_agent.original"] = "Googlebot/2.1", ["source.ip"] = { "66.249.66.1", "203.0.113.9" } } } } },
      lists = { crawler_ranges = { ["66.249.64.0/19"] = { name = "Googlebot", agent = "googlebot" } } },
      expect = { indicators = { { name = "claimed_crawler", weight = -0.2 } } } },
    { "one crawler at another's address lies", threat = { threat_type = "bot_traffic", evidence = { { id = "E1",
      context = { ["user_agent.original"] = "bingbot/2.0", ["source.ip"] = "66.249.66.1" } } } },
      lists = { crawler_ranges = { ["66.249.64.0/19"] = { name = "Googlebot", agent = "googlebot" } } },
      expect = { indicators = { { reason = "it calls itself bingbot but does not come from there" } } } },
    { "a claim without an address", threat = { threat_type = "bot_traffic", evidence = { { id = "E1",
      context = { ["user_agent.original"] = "Googlebot/2.1" } } } },
      expect = { indicators = { { reason = "it calls itself googlebot, and no address says so" } } } },
    { "a crawler explains no compromised machine", threat = { threat_type = "device_compromise", evidence = {
      { id = "E1", context = { ["user_agent.original"] = "Googlebot/2.1", ["source.ip"] = "66.249.66.1" } } } },
      lists = { crawler_ranges = { ["66.249.64.0/19"] = { name = "Googlebot", agent = "googlebot" } } },
      expect = { score = 0.25, indicators = {} } },
    { "where somebody bends the picture, what speaks for nothing does not count",
      threat = { threat_type = "geo_anomaly", entities = { "source.ip:192.0.2.10" } },
      context = { verdicts = { rule = { false_positive = 96 } }, manipulation = { findings = { { name = "n" } } } },
      lists = { allowlist = { "192.0.2.10" } },
      expect = { score = 0.2, indicators = { { name = "manipulation", weight = -0.2 } } } },
    { "verdicts that nobody can count",
      threat = { threat_type = "geo_anomaly" },
      context = { verdicts = { rule = { false_positive = 1e300, true_positive = "-5" },
          entities = { a = { false_positive = "1e999" }, b = { true_positive = "2.5" } } } },
      expect = { score = 0.32, indicators = { { name = "verdicts_entity", weight = -0.08,
          reason = "of those about b, 0 of 2 were nothing" } } } },
    { "an allow-list entry that holds",
      threat = { customer_name = "acme", entities = { "source.ip:192.0.2.10" } }, context = { now = 1800000000 },
      lists = { allowlist = { ["192.0.2.10"] = { customer = "acme", reason = "our scanner",
          expires = "2030-01-01" } } },
      expect = { score = 0.7, recommendation = "likely_false_positive" } },
    { "below 0 there is nothing",
      threat = { threat_type = "device_compromise", event_count = "5000",
          intel_matches = { { indicator = "203.0.113.66", list = "intel_ips" } } },
      context = { manipulation = { findings = { { name = "x" } } } },
      expect = { score = 0, indicators = { { name = "intel" }, { name = "volume" }, { name = "manipulation" },
          { name = "limit", weight = 0.3 } } } },
    { "an empty threat, and nonsense in every place", threat = { evidence = 7, entities = "x", event_count = {},
      intel_matches = { 3 } },
      context = { verdicts = { rule = { false_positive = "many" }, entities = { a = 5 } },
          manipulation = 3, now = "soon" },
      expect = { score = 0.4, indicators = {} } },
  },
}
