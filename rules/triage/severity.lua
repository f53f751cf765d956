-- How bad a threat is: a score from 0 to 100 of named parts that add up to it, and the severity that follows from it.
-- The rule's severity is the floor; the engine holds that, whatever stands here.
local facts = require "triage.facts"
local text, number, table_of = facts.text, facts.number, facts.table

local base = { 10, 30, 50, 75, 95 } -- by level
local least = { 0, 25, 45, 65, 85 } -- the score from which a level holds
local asset_points = { critical = 15, high = 10, medium = 3, low = 0 }

local function asset_part(context)
  local best, name
  for entity, about in pairs(table_of(context.assets)) do
    local points = asset_points[(text(table_of(about).criticality) or ""):lower()]
    if points and (not best or points > best) then best, name = points, entity end
  end
  if best and best > 0 then
    return { name = "asset", value = best, reason = facts.brief(name) .. " is important to its owner" }
  end
end

local function volume_part(threat)
  local count = facts.count(threat.event_count)
  if count < 10 then return end
  local points = math.min(10, math.floor(2 * math.log(count, 10) + 0.5))
  return { name = "volume", value = points, reason = string.format("%d events belong to it", count) }
end

local function intel_part(threat)
  local best, about = 0, nil
  for _, match in ipairs(table_of(threat.intel_matches)) do
    local attributes = table_of(table_of(match).attributes)
    local sure = number(attributes.confidence) or 50
    local points = math.floor(math.max(0, math.min(100, sure)) * 0.2 + 0.5)
    if points > best then best, about = points, table_of(match) end
  end
  if about then
    return { name = "intel", value = best,
             reason = facts.brief(about.indicator) .. " stands in the list " .. facts.brief(about.list) }
  end
end

local function findings_of(context)
  return table_of(table_of(context.manipulation).findings)
end

-- Only a well-founded doubt takes something off, and none that somebody may have made.
local function doubt_part(context)
  if #findings_of(context) > 0 then return end
  local doubt = table_of(context.false_positive)
  local score, sure = number(doubt.score) or 0.5, number(doubt.confidence) or 0
  local points = math.floor(math.max(0, math.min(1, score) - 0.5) * math.max(0, math.min(1, sure)) * 40 + 0.5)
  if points > 0 then
    return { name = "false_positive", value = -points,
             reason = string.format("a false alarm with a likelihood of %.2f", score) }
  end
end

local function level_of(score)
  for level = 5, 1, -1 do
    if score >= least[level] then return level end
  end
  return 1
end

-- A sign of manipulation asks for a person. It counts up to the next severity and not into it: else whoever can write a
-- text into a field could decide what is critical.
local function manipulation_part(context, score, floor)
  local findings = findings_of(context)
  if #findings == 0 then return end
  local level = math.max(floor, level_of(score))
  local room = level == 5 and 10 or math.min(10, least[level + 1] - 1 - score)
  if room < 1 then return end
  return { name = "manipulation", value = room,
           reason = "somebody may bend the picture: " .. facts.brief(table_of(findings[1]).name) }
end

-- The rule's word, or the step that an analysis took above it.
local function floor_of(threat)
  local floor = facts.level(threat.severity_floor) or facts.level(threat.severity)
  local raised = facts.level(table_of(threat.severity_raised).to)
  if floor and raised and raised > floor then return raised, floor end
  return floor, floor
end

return policy {
  name = "severity",
  decide = function(threat, context)
    local floor, of_rule = floor_of(threat)
    if not floor then error("the threat has no severity") end
    local parts, score = {}, 0
    local function add(part)
      if part then parts[#parts + 1], score = part, score + part.value end
    end
    add { name = "rule_severity", value = base[of_rule], reason = "the rule says " .. facts.names[of_rule] }
    add(asset_part(context))
    add(volume_part(threat))
    add(intel_part(threat))
    add(doubt_part(context))
    add(manipulation_part(context, score, floor))
    if score > 100 then
      add { name = "limit", value = 100 - score, reason = "100 is the most there is" }
    elseif score < least[floor] then
      add { name = "limit", value = least[floor] - score,
            reason = "it stays " .. facts.names[floor] .. (floor > of_rule and ", to which an analysis raised it"
                or ", as the rule says") }
    end
    return { severity = facts.names[math.max(floor, level_of(score))], parts = parts }
  end,
  tests = {
    { "nothing is known: the rule's word",
      threat = { severity = "HIGH", severity_floor = "HIGH" },
      expect = { severity = "HIGH", parts = { { name = "rule_severity", value = 75 } } } },
    { "a domain controller makes it critical",
      threat = { severity_floor = "HIGH", event_count = 1 },
      context = { assets = { ["host.name:dc01"] = { criticality = "critical" } } },
      expect = { severity = "CRITICAL", parts = { { value = 75 }, { name = "asset", value = 15 } } } },
    { "parts that are too many are cut at 100",
      threat = { severity_floor = "CRITICAL", event_count = 100000,
          intel_matches = { { list = "l", indicator = "x", attributes = { confidence = "100" } } } },
      context = { assets = { a = { criticality = "critical" } }, manipulation = { findings = { { name = "n" } } } },
      expect = { severity = "CRITICAL",
                 parts = { { value = 95 }, { value = 15 }, { value = 10 }, { value = 20 }, { value = 10 },
                     { name = "limit", value = -50 } } } },
    { "doubt lowers the score, not below what the rule says",
      threat = { severity_floor = "MEDIUM" }, context = { false_positive = { score = 1, confidence = 1 } },
      expect = { severity = "MEDIUM", parts = { { value = 50 }, { name = "false_positive", value = -20 },
          { name = "limit", value = 15, reason = "it stays MEDIUM, as the rule says" } } } },
    { "the least severe does not fall below nothing",
      threat = { severity_floor = "INFO" }, context = { false_positive = { score = 1, confidence = 0.95 } },
      expect = { severity = "INFO", parts = { { value = 10 }, { value = -19 }, { name = "limit", value = 9 } } } },
    { "a doubt that nothing stands behind takes nothing off",
      threat = { severity_floor = "MEDIUM" }, context = { false_positive = { score = 1, confidence = 0 } },
      expect = { parts = { { name = "rule_severity" } } } },
    { "nor does one that somebody may have made",
      threat = { severity_floor = "LOW" },
      context = { false_positive = { score = 1, confidence = 1 }, manipulation = { findings = { { name = "n" } } } },
      expect = { severity = "LOW", parts = { { value = 30 }, { name = "manipulation", value = 10 } } } },
    { "a text in a field cannot make a threat critical",
      threat = { severity_floor = "HIGH" }, context = { manipulation = { findings = { { name = "n" } } } },
      expect = { severity = "HIGH", parts = { { value = 75 }, { name = "manipulation", value = 9 } } } },
    { "what is known besides can", threat = { severity_floor = "HIGH" },
      context = { assets = { ["host.name:web"] = { criticality = "High" } },
          manipulation = { findings = { { name = "n" } } } },
      expect = { severity = "CRITICAL", parts = { { value = 75 }, { value = 10 }, { value = 10 } } } },
    { "an indicator of a sure source, and one of an unsure", threat = { severity_floor = "MEDIUM", intel_matches = {
        { list = "intel_ips", indicator = "203.0.113.1", attributes = { confidence = "20" } },
        { list = "intel_ips", indicator = "203.0.113.66", attributes = { confidence = 90 } } } },
      expect = { severity = "HIGH", parts = { { value = 50 }, { name = "intel", value = 18,
          reason = "203.0.113.66 stands in the list intel_ips" } } } },
    { "a step that an analysis took stays", threat = { severity_floor = "MEDIUM", severity_raised = { to = "HIGH" } },
      expect = { severity = "HIGH", parts = { { value = 50, reason = "the rule says MEDIUM" },
          { name = "limit", value = 15, reason = "it stays HIGH, to which an analysis raised it" } } } },
    { "a step below the rule is none", threat = { severity_floor = "HIGH", severity_raised = { to = "LOW" } },
      expect = { severity = "HIGH", parts = { { value = 75 } } } },
    { "numbers beyond all bounds say nothing",
      threat = { severity_floor = "LOW", event_count = "1e999", intel_matches = { { attributes = {
          confidence = "1e300" } } } },
      context = { false_positive = { score = 1e300, confidence = "nan" } },
      expect = { severity = "LOW", parts = { { value = 30 }, { name = "intel", value = 10 } } } },
    { "without a floor the severity counts", threat = { severity = "low" }, expect = { severity = "LOW" } },
    { "numbers as texts, lists and nonsense",
      threat = { severity_floor = "LOW", event_count = "1000",
          intel_matches = { 5, "x", { attributes = 7, indicator = { 1 } } } },
      context = { assets = { a = 5, b = { criticality = { "high" } } }, false_positive = "yes",
          manipulation = { findings = "x" } },
      expect = { severity = "MEDIUM", parts = { { value = 30 }, { name = "volume", value = 6 }, { name = "intel",
          value = 10 } } } },
    { "an empty threat is an error: the default says what the rule said", threat = {}, expect = { error = true } },
  },
}
