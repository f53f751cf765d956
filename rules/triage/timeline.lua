-- Names for what happened. The engine keeps the records and their times; nothing is added here.
local facts = require "triage.facts"

local text, brief = facts.text, facts.brief

local function event_title(about)
  local action = text(about["event.action"]) or text(about["event.code"])
  local who = text(about["user.name"]) or text(about["source.ip"]) or text(about["host.name"])
  if action and who then return brief(who) .. ": " .. brief(action) end
  if action or who then return brief(action or who) end
  return "An event of the threat"
end

return policy {
  name = "timeline",
  decide = function(threat)
    local rule = facts.table(threat.rule)
    local titles = {
      first_seen = "First event of the threat",
      last_seen  = "Latest event of the threat",
      created    = "Raised by " .. brief(rule.title or rule.id or "a rule"),
      note       = "Note of an analyst",
      change     = "Changed",
    }
    for _, event in ipairs(facts.events(threat)) do
      if event.id then titles[event.id] = event_title(event.about) end
    end
    return { titles = titles }
  end,
  tests = {
    { "events are named by who did what",
      threat = { rule = { id = "r", title = "Repeated prompts" },
                 evidence = { { id = "E1", context = { ["event.action"] = "push", ["user.name"] = "ana" } } } },
      expect = { titles = { created = "Raised by Repeated prompts", E1 = "ana: push" } } },
    { "a long name is cut at a character", threat = { rule = { title = ("ä"):rep(60) } },
      expect = { titles = { created = "Raised by " .. ("ä"):rep(40) .. "…" } } },
    { "line ends do not break a title", threat = { evidence = { { id = "E1", context = {
        ["event.action"] = "a\nb", ["host.name"] = "h\0" } } } }, expect = { titles = { E1 = "h : a b" } } },
    { "an empty threat has its common names", threat = {}, expect = { titles = { created = "Raised by a rule" } } },
    { "lists and numbers in place of texts",
      threat = { evidence = { { id = "E1", context = { ["event.action"] = { "a", "b" }, ["user.name"] = 17 } }, 5 } },
      expect = { titles = { E1 = "17" } } },
  },
}
