-- A person looks before anything is done.
local targets = require "actions.targets"

local fields = { "host.name", "user.name", "source.ip" }

return action {
  id      = "review",
  title   = "Have a person look",
  target  = fields,
  dry_run = function(action, threat)
    local reason = targets.wrong_subject(action, threat, fields)
    if reason then return targets.refuse("ask for a look", reason) end
    local why = targets.text(threat.review_reason, 200)
    local steps = { "Read the evidence before the findings" }
    if why ~= "" then steps[#steps + 1] = "Settle why it was marked: " .. why end
    steps[#steps + 1] = "Give a verdict with a reason: the next one is judged by it"
    return { summary = "Would ask a person to look: " .. targets.describe(threat), steps = steps }
  end,
  tests   = {
    { "with the reason that is on the threat", action = {},
      threat = { title = "Bot", severity = "LOW", review_reason = "the analysts disagree" },
      expect = { summary = "Would ask a person to look: Bot, LOW", refused = null, steps = {
        "Read the evidence before the findings", "Settle why it was marked: the analysts disagree",
        "Give a verdict with a reason: the next one is judged by it" } } },
    { "an empty threat", action = {}, threat = {},
      expect = { summary = "Would ask a person to look: a threat without a title", steps = {
        "Read the evidence before the findings", "Give a verdict with a reason: the next one is judged by it" } } },
    { "not of something else", action = { target = "host.name:b" }, threat = {},
      expect = { refused = "the target is not in this threat" } },
    { "values of other types", action = { target = "" }, threat = { title = 7, review_reason = { "x" } },
      expect = { summary = "Would ask a person to look: a threat without a title" } },
  },
}
