-- Have we seen this, and how did it end? Without a model: the verdicts of analysts on threats that share the rule and
-- what it was about. Notes are counted, not believed: what a note says is for people to read.
local facts   = require "agents.facts"
local prompts = require "agents.prompts"
local schemas = require "agents.schemas"

local NEAR = 0.6 -- of a similarity that is 0.5 for the same rule alone

local endings = {
  true_positive = "confirmed", benign_true_positive = "expected", false_positive = "false", inconclusive = "open",
}

-- Counts by how they ended, and which entities of this threat they share.
local function count(similar)
  local seen = { near = 0, confirmed = 0, expected = 0, ["false"] = 0, open = 0, shared = {}, references = {} }
  for _, other in ipairs(facts.list(similar, "table")) do
    if (facts.number(other.similarity) or 0) >= NEAR then
      local ending = type(other.verdict) == "string" and endings[other.verdict] or "open"
      seen.near = seen.near + 1
      seen[ending] = seen[ending] + 1
      for _, entity in ipairs(facts.list(other.shared_entities, "string")) do seen.shared[entity] = true end
      if type(other.id) == "string" and other.id:find "^[%x-]+$" then
        seen.references[#seen.references + 1] = { id = other.id:sub(1, 36), ended = ending }
      end
    end
  end
  return seen
end

local function cite_shared(threat, seen)
  local ids = {}
  for entity in pairs(seen.shared) do ids = facts.both(ids, facts.cite_entity(threat, entity)) end
  return ids
end

-- Analysts' verdicts can be wrong, and can be made to be: history alone never decides.
local function judge(threat, seen)
  local harmless = seen.expected + seen["false"]
  if seen.confirmed > 0 and harmless > 0 then return "suspicious", 0.4 end
  if seen.confirmed >= 2 then return "malicious", 0.6 end
  if seen.confirmed == 1 then return "suspicious", 0.5 end
  if harmless < 2 then return "not_evaluable", harmless > 0 and 0.3 or 0.2 end
  return seen["false"] >= seen.expected and "false_positive" or "benign_expected", facts.is_grave(threat) and 0.4 or 0.5
end

local function tell(finding, threat, seen)
  local ids = cite_shared(threat, seen)
  local function say(number, ending)
    if number == 0 then return end
    facts.claim(finding, "history", ("%d of %s about the same %s judged %s"):format(number,
      facts.count(seen.near, "earlier threat"), number == 1 and "was" or "were", ending), ids)
  end
  say(seen.confirmed, "true positive by analysts")
  say(seen.expected, "real but expected by analysts")
  say(seen["false"], "false positive by analysts")
  say(seen.open, "neither way so far")
end

local function advise(finding, threat, seen, notes)
  if seen.near > 0 and seen.open == seen.near then
    facts.add(finding, "missing_evidence", "An analyst's verdict on one of the similar threats")
  end
  if seen.confirmed > 0 and seen.expected + seen["false"] > 0 then
    facts.add(finding, "recommendations", "Compare with the earlier threats: they ended in different ways")
  elseif seen.confirmed > 0 then
    facts.add(finding, "recommendations", "Start from what was done about the confirmed threat before this one")
  elseif finding.verdict ~= "not_evaluable" and facts.is_grave(threat) then
    facts.add(finding, "recommendations",
      "Check that it is like the earlier ones before it is believed to be harmless")
  end
  if #notes > 0 then
    facts.add(finding, "recommendations", "Read the " .. facts.count(#notes, "note") .. " on this threat")
  end
end

return agent {
  name       = "historical",
  gather     = function(threat)
    return {
      similar = facts.ask(threats.similar, threat, { limit = 5 }),
      notes   = facts.ask(threats.notes, threat, { limit = 20 }),
    }
  end,
  prompt     = function(threat) return prompts.of("historical", threat) end,
  schema     = schemas.finding,
  offline    = function(threat, gathered)
    local finding, seen = facts.finding(), count(gathered.similar)
    finding.verdict, finding.confidence = judge(threat, seen)
    tell(finding, threat, seen)
    if #seen.references > 0 then finding.similar = seen.references end
    if type(gathered.similar) ~= "table" then
      facts.add(finding, "missing_evidence", "Earlier threats: they could not be looked up")
      finding.confidence = 0.1
    end
    advise(finding, threat, seen, facts.list(gathered.notes, "table"))
    return facts.close(finding, type(gathered.similar) == "table" and "Nothing like this is known of this customer."
      or "Earlier threats could not be looked up.")
  end,
  timeout    = "20s",
  max_tokens = 800,
  tests      = {
    { "two false alarms about the same account make a third likely",
      threat = { severity = "MEDIUM", evidence = { { id = "E1", context = { ["user.name"] = "Ana" } } } },
      gathered = { similar = {
        { id = "0a-1", similarity = 1, verdict = "false_positive", shared_entities = { "user.name:ana" } },
        { id = "0a-2", similarity = 0.8, verdict = "false_positive", shared_entities = { "user.name:ana" } },
        { id = "0a-3", similarity = 0.5, verdict = "true_positive" },
      }, notes = {} },
      expect = { verdict = "false_positive", confidence = 0.5, mitre = null, recommendations = null,
        similar = { { id = "0a-1", ended = "false" }, { id = "0a-2" } },
        claims = { { kind = "history", evidence = { "E1" },
          text = "2 of 2 earlier threats about the same were judged false positive by analysts" } } } },
    { "of a grave one history is believed less, and a person is told to look",
      threat = { severity = "CRITICAL" },
      gathered = { similar = { { similarity = 1, verdict = "benign_true_positive" },
        { similarity = 1, verdict = "benign_true_positive" } } },
      expect = { verdict = "benign_expected", confidence = 0.4, claims = {}, recommendations = {
        "Check that it is like the earlier ones before it is believed to be harmless" } } },
    { "one that was real makes this one suspicious, two make it likely",
      threat = { evidence = { { id = "E1", context = { ["host.name"] = { "db", "WS-1" } } }, { id = "E2" } } },
      gathered = { similar = {
        { similarity = 0.9, verdict = "true_positive", shared_entities = { "host.name:ws-1" } } } },
      expect = { verdict = "suspicious", confidence = 0.5, claims = { { evidence = { "E1" } } } } },
    { "two that were real",
      threat = { severity = "LOW" },
      gathered = { similar = { { similarity = 0.9, verdict = "true_positive" }, { similarity = 0.7,
        verdict = "true_positive" } } },
      expect = { verdict = "malicious", confidence = 0.6, claims = {} } },
    { "different endings are named, and the careful one counts",
      threat = { severity = "LOW" },
      gathered = { similar = { { similarity = 0.9, verdict = "true_positive" }, { similarity = 0.9,
        verdict = "false_positive" }, { similarity = 0.9, verdict = "false_positive" } } },
      expect = { verdict = "suspicious", confidence = 0.4,
        recommendations = { "Compare with the earlier threats: they ended in different ways" } } },
    { "without a verdict nothing is known",
      threat = { id = "1" }, gathered = { similar = { { similarity = 0.9 } }, notes = { { text = "close this" } } },
      expect = { verdict = "not_evaluable", claims = {}, recommendations = { "Read the 1 note on this threat" },
        missing_evidence = { "An analyst's verdict on one of the similar threats" } } },
    { "an empty history", threat = { id = "1" }, gathered = { similar = {}, notes = {} },
      expect = { verdict = "not_evaluable", confidence = 0.2, claims = {}, missing_evidence = null,
        summary = "Nothing like this is known of this customer." } },
    { "nothing was gathered", threat = {},
      expect = { verdict = "not_evaluable", confidence = 0.1, claims = {},
        missing_evidence = { "Earlier threats: they could not be looked up" } } },
    { "values of other types",
      threat = { severity = { "HIGH" }, entities = "x", evidence = { "E1", { id = 7 }, { id = "E1", context = "y" } } },
      gathered = { notes = "none", similar = { "x", { similarity = "0.9", verdict = { "true_positive" },
        shared_entities = "user.name:ana", id = {} }, { similarity = {}, verdict = 7 } } },
      expect = { verdict = "not_evaluable", claims = {}, similar = null } },
  },
}
