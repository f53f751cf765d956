-- Merges the five findings into one judgement and names what they disagree about. Without a model: the most careful
-- verdict that one of them stands for. Two that say the opposite are a contradiction for a person, never an average.
local facts   = require "agents.facts"
local prompts = require "agents.prompts"
local schemas = require "agents.schemas"

local analysts = { "historical", "config", "devops", "context", "priority" }
local sides = { malicious = 1, suspicious = 1, benign_expected = -1, false_positive = -1, not_evaluable = 0 }

local HEARD       = 0.3 -- confidence from which a verdict counts
local TRUSTED     = 0.5 -- and one that says "harmless" of a grave threat
local CLAIMS_EACH = 4
local TEXTS_MOST  = 10

local function confidence_of(finding)
  return math.max(0, math.min(1, type(finding.confidence) == "number" and facts.number(finding.confidence) or 0))
end

-- The findings that are there, in a fixed order. The rules' own priority repeats the rule, so it stands for nothing
-- that another could contradict.
local function read(gathered)
  local heard, missing = {}, {}
  for _, name in ipairs(analysts) do
    local finding = gathered[name]
    if type(finding) ~= "table" or finding.status == "failed" then
      missing[#missing + 1] = name
    else
      local verdict = type(finding.verdict) == "string" and finding.verdict or ""
      verdict = sides[verdict] and verdict or "not_evaluable"
      heard[#heard + 1] = { name = name, finding = finding, verdict = verdict, side = sides[verdict],
        confidence = confidence_of(finding), repeats_rule = name == "priority" and finding.provider ~= "model" }
    end
  end
  return heard, missing
end

local function find_contradictions(heard)
  local found = {}
  for i, one in ipairs(heard) do
    for j = i + 1, #heard do
      local other = heard[j]
      local opposite = one.side * other.side < 0 and not (one.repeats_rule or other.repeats_rule)
      if opposite and one.confidence >= HEARD and other.confidence >= HEARD then
        found[#found + 1] = { between = { one.name, other.name },
          text = ("%s says %s (%.2f), %s says %s (%.2f)"):format(one.name, one.verdict, one.confidence, other.name,
            other.verdict, other.confidence) }
      end
    end
  end
  return found
end

-- The surest of those that `test` takes; nil for none.
local function surest(heard, test)
  local best
  for _, one in ipairs(heard) do
    if test(one) and (best == nil or one.confidence > best.confidence) then best = one end
  end
  return best
end

local function judge(threat, heard, contradicted)
  local function counts(one) return one.confidence >= HEARD and not one.repeats_rule end
  local against = surest(heard, function(one) return one.side > 0 and counts(one) end)
  local enough = facts.is_grave(threat) and TRUSTED or HEARD
  local harmless = surest(heard, function(one) return one.side < 0 and counts(one) and one.confidence >= enough end)
  local rule = surest(heard, function(one) return one.repeats_rule end)
  if against then
    local attack = surest(heard, function(one) return one.verdict == "malicious" and one.confidence >= 0.5 end)
    local best = attack or against
    return attack and "malicious" or "suspicious", best.confidence * (contradicted and 0.8 or 1)
  end
  if harmless then return harmless.verdict, harmless.confidence end
  if rule then return rule.verdict, rule.confidence end
  return "not_evaluable", 0.1
end

-- Claims as the analysts made them, each once, with their names; only on evidence that is there.
local function merge_claims(merged, heard, threat)
  local ids, seen = {}, {}
  for _, record in ipairs(facts.evidence(threat)) do ids[record.id] = true end
  for _, one in ipairs(heard) do
    local taken = 0
    for _, claim in ipairs(facts.list(one.finding.claims, "table")) do
      local cited = {}
      for _, id in ipairs(facts.list(claim.evidence, "string")) do
        if ids[id:match "^E%d+"] and #cited < 10 then cited[#cited + 1] = id end
      end
      local text = type(claim.text) == "string" and claim.text or ""
      if text ~= "" and #cited > 0 and not seen[text] and taken < CLAIMS_EACH then
        seen[text], taken = true, taken + 1
        merged.claims[#merged.claims + 1] = { text = text, evidence = cited, by = one.name,
          kind = facts.text(claim.kind, 20) }
      end
    end
  end
end

-- Texts of all findings, each once.
local function merge_texts(merged, heard, key)
  local seen = {}
  for _, one in ipairs(heard) do
    for _, item in ipairs(facts.list(one.finding[key])) do
      local text = type(item) == "table" and item.id or item
      if type(text) == "string" and text ~= "" and not seen[text] and #(merged[key] or {}) < TEXTS_MOST then
        seen[text] = true
        facts.add(merged, key, text)
      end
    end
  end
end

-- A suggestion of a model may lie above the severity; below it there is nothing to suggest.
local function suggest(threat, heard)
  local best, rank = threat.severity, facts.rank(threat.severity)
  if rank == nil then return nil end
  for _, one in ipairs(heard) do
    local wanted = facts.rank(one.finding.severity_suggestion)
    if one.finding.provider == "model" and wanted and wanted > rank then
      best, rank = one.finding.severity_suggestion, wanted
    end
  end
  return best
end

local function is_injected(value)
  return value == true or type(value) == "table" and value.suspected == true
end

local function tell(merged, heard, contradictions)
  local said, silent = {}, {}
  for _, one in ipairs(heard) do
    local says = one.verdict ~= "not_evaluable" or #facts.list(one.finding.claims, "table") > 0
    local summary = facts.text(one.finding.summary, 240)
    if says and summary then
      said[#said + 1] = ("%s: %s"):format(one.name:gsub("^%l", string.upper), summary)
    else
      silent[#silent + 1] = one.name
    end
  end
  if #contradictions > 0 then
    table.insert(said, 1, facts.count(#contradictions, "contradiction") .. " between the analysts.")
  end
  if #silent > 0 then said[#said + 1] = "Nothing to say: " .. facts.join(silent, 5) .. "." end
  merged.summary = #said > 0 and facts.text(table.concat(said, " "), 1000) or "No analyst had anything to say."
end

return agent {
  name       = "coordinator",
  prompt     = function(threat) return prompts.of("coordinator", threat) end,
  schema     = schemas.coordination,
  offline    = function(threat, gathered)
    local merged, heard, missing = facts.finding(), read(gathered)
    local contradictions = find_contradictions(heard)
    local verdict, confidence = judge(threat, heard, #contradictions > 0)
    merged.verdict, merged.confidence = verdict, math.floor(confidence * 100 + 0.5) / 100
    merge_claims(merged, heard, threat)
    for _, key in ipairs { "recommendations", "missing_evidence", "mitre" } do merge_texts(merged, heard, key) end
    for _, name in ipairs(missing) do
      if #(merged.missing_evidence or {}) < TEXTS_MOST then
        facts.add(merged, "missing_evidence", "A finding of the analyst " .. name)
      end
    end
    merged.severity_suggestion = suggest(threat, heard)
    for _, one in ipairs(heard) do
      merged.injection_suspected = is_injected(one.finding.injection_suspected) or merged.injection_suspected
    end
    if #contradictions > 0 then
      merged.contradictions = contradictions
      merged.recommendations = merged.recommendations or {}
      table.insert(merged.recommendations, 1, "Settle what the analysts disagree about")
      merged.recommendations[TEXTS_MOST + 1] = nil
    end
    tell(merged, heard, contradictions)
    return merged
  end,
  timeout    = "30s",
  max_tokens = 1500,
  tests      = {
    { "an attack that one is sure of is one, with all that was found",
      threat = { severity = "HIGH", evidence = { { id = "E1", context = {} } } },
      gathered = {
        historical = { verdict = "not_evaluable", confidence = 0.2, claims = {}, summary = "Nothing." },
        config = { verdict = "not_evaluable", confidence = 0.2 }, devops = { verdict = "not_evaluable" },
        context = { verdict = "malicious", confidence = 0.6, summary = "A bad address.", mitre = { "T1071" },
          claims = { { text = "a \"203.0\" b", evidence = { "E1.source.ip", "E9" }, kind = "intel" } },
          recommendations = { "Look", "Look" } },
        priority = { verdict = "suspicious", confidence = 0.4, provider = "rules", summary = "1 event.",
          mitre = { "T1071", { id = "T1110" } }, recommendations = { "Look", "Decide" } } },
      expect = { verdict = "malicious", confidence = 0.6, contradictions = null, missing_evidence = null,
        severity_suggestion = "HIGH", mitre = { "T1071", "T1110" }, recommendations = { "Look", "Decide" },
        summary = "Context: A bad address. Priority: 1 event. Nothing to say: historical, config, devops.",
        claims = { { text = "a \"203.0\" b", evidence = { "E1.source.ip" }, by = "context", kind = "intel" } } } },
    { "two that say the opposite are named, and the careful one counts",
      threat = { severity = "LOW" },
      gathered = { historical = { verdict = "false_positive", confidence = 0.5, recommendations = { "x" } },
        config = { verdict = "suspicious", confidence = 0.4 }, devops = {}, context = {}, priority = {} },
      expect = { verdict = "suspicious", confidence = 0.32, contradictions = { { between = { "historical", "config" },
        text = "historical says false_positive (0.50), config says suspicious (0.40)" } },
        recommendations = { "Settle what the analysts disagree about", "x" } } },
    { "what nobody contradicts may be harmless, whatever the rule's severity repeats",
      threat = { severity = "MEDIUM" },
      gathered = { config = { verdict = "benign_expected", confidence = 0.5 }, historical = {}, devops = {},
        context = {}, priority = { verdict = "suspicious", confidence = 0.3, provider = "rules" } },
      expect = { verdict = "benign_expected", confidence = 0.5, contradictions = null } },
    { "of a grave threat that takes more than a setting",
      threat = { severity = "HIGH" },
      gathered = { config = { verdict = "benign_expected", confidence = 0.35 }, historical = {}, devops = {},
        context = {}, priority = { verdict = "suspicious", confidence = 0.4, provider = "rules" } },
      expect = { verdict = "suspicious", confidence = 0.4, contradictions = null } },
    { "a model's priority is a judgement of its own",
      threat = { severity = "MEDIUM" },
      gathered = { config = { verdict = "benign_expected", confidence = 0.5 },
        priority = { verdict = "malicious", confidence = 0.9, provider = "model", severity_suggestion = "CRITICAL",
          injection_suspected = { suspected = true } } },
      expect = { verdict = "malicious", confidence = 0.72, severity_suggestion = "CRITICAL", injection_suspected = true,
        recommendations = { "Settle what the analysts disagree about" },
        contradictions = { { between = { "config", "priority" } } } } },
    { "who is hardly sure decides nothing, and a severity does not fall",
      threat = { severity = "HIGH" },
      gathered = { context = { verdict = "false_positive", confidence = 0.2, provider = "model",
        severity_suggestion = "LOW" }, priority = { verdict = "suspicious", confidence = 0.4 } },
      expect = { verdict = "suspicious", confidence = 0.4, severity_suggestion = "HIGH", injection_suspected = null } },
    { "who failed or was not asked is missing",
      threat = { id = "1" }, gathered = { config = { status = "failed", claims = {}, confidence = 0 },
        devops = { claims = {}, confidence = 0.2 }, context = { confidence = 0.2 }, priority = { confidence = 0.2 } },
      expect = { verdict = "not_evaluable", claims = {},
        missing_evidence = { "A finding of the analyst historical", "A finding of the analyst config" } } },
    { "nothing was gathered", threat = {}, expect = { verdict = "not_evaluable", confidence = 0.1, claims = {},
      summary = "No analyst had anything to say.", severity_suggestion = null } },
    { "values of other types",
      threat = { severity = 7, evidence = { "E1", { id = "E1", context = {} } } },
      gathered = { historical = "malicious", config = { verdict = { "malicious" }, confidence = "1", claims = "x" },
        devops = { verdict = "close this threat", confidence = 7, claims = { "x", { text = 7, evidence = { "E1" } },
          { text = "a", evidence = "E1" }, { text = "b", evidence = { {}, 1, "E1" } } }, mitre = "T1", summary = {},
          recommendations = { {}, 7 }, injection_suspected = "yes" },
        context = { confidence = -1, missing_evidence = { id = "x" } }, priority = { summary = 7 } },
      expect = { verdict = "not_evaluable", claims = { { text = "b", evidence = { "E1" } } }, mitre = null,
        recommendations = null, injection_suspected = null, severity_suggestion = null } },
  },
}
