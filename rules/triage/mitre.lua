-- The techniques of a threat: what the rule says, what the events say of themselves, and what an analysis added, each
-- with where it comes from. Ids that are not in rules/lists/attack.csv are left out by the engine.
local facts = require "triage.facts"

local confidence = { rule = 1, event = 0.7, analysis = 0.5 }

local function is_technique(id)
  return id:match("^T%d%d%d%d$") ~= nil or id:match("^T%d%d%d%d%.%d%d%d$") ~= nil or id:match("^TA%d%d%d%d$") ~= nil
end

return policy {
  name = "mitre",
  decide = function(threat, context)
    local found, seen = {}, {}
    local function add(value, source)
      local id = facts.text(value)
      if not id or #id > 9 or seen[id] or not is_technique(id) or #found >= 10 then return end
      seen[id] = true
      found[#found + 1] = { id = id, source = source, confidence = confidence[source] }
    end
    local earlier = {}
    for _, item in ipairs(facts.table(threat.mitre)) do
      local id = facts.text(facts.table(item).id)
      if id then earlier[id] = facts.text(item.source) end
    end
    for _, id in ipairs(facts.table(threat.mitre_tags)) do
      local source = earlier[facts.text(id) or ""]
      add(id, source and confidence[source] and source or "rule")
    end
    for _, path in ipairs { "threat.technique.id", "threat.tactic.id", "rule.mitre.id" } do
      for _, hit in ipairs(facts.values(threat, path)) do add(hit.value, "event") end
    end
    for _, id in ipairs(facts.table(facts.table(context.analysis).mitre)) do
      add(type(id) == "table" and id.id or id, "analysis")
    end
    return found
  end,
  tests = {
    { "the rule, then the event, then the analysis",
      threat = { mitre_tags = { "T1621" }, evidence = { { id = "E1",
      context = { ["threat.technique.id"] = { "T1110", "T1621" } } } } },
      context = { analysis = { mitre = { "T1078" } } },
      expect = { { id = "T1621", source = "rule", confidence = 1 }, { id = "T1110", source = "event" },
                 { id = "T1078", source = "analysis", confidence = 0.5 } } },
    { "what came from an analysis stays marked so",
      threat = { mitre_tags = { "T1078" }, mitre = { { id = "T1078", source = "analysis" } } },
      expect = { { id = "T1078", source = "analysis" } } },
    { "what is no id is left out", threat = { mitre_tags = { "T16211", "', DROP", 5 } }, expect = {} },
    { "an empty threat has none", threat = {}, expect = {} },
  },
}
