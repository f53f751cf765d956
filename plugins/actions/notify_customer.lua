-- Tells the customer, by the contact in their profile. What the mail says is a draft: a person sends it.
local targets = require "actions.targets"

local fields = { "organization.name" }

return action {
  id      = "notify_customer",
  title   = "Notify the customer",
  target  = fields,
  dry_run = function(action, threat)
    local reason = targets.wrong_subject(action, threat, fields)
    if reason then return targets.refuse("notify the customer", reason) end
    local name = threat.customer_name
    if type(name) ~= "string" or name == "" then
      return targets.refuse("notify the customer", "the threat names no customer")
    end
    local contact = targets.text(targets.profile(threat).contact)
    if contact == "" then
      return targets.refuse("notify " .. targets.text(name), "the customer's profile has no contact")
    end
    local finding = targets.list(targets.list(threat.agent_analyses).priority)
    local message = targets.text(finding.customer_message, 400)
    if message == "" then message = "We saw something that we are looking into, and will come back to you." end
    return {
      summary = ("Would notify %s at %s"):format(targets.text(name), contact),
      steps   = {
        ("Write to %s, and to nobody that the events name"):format(contact),
        "Message: " .. message,
        "Put nothing into the message that is about another customer",
      },
    }
  end,
  tests   = {
    { "by the profile's contact", action = {}, threat = { customer_name = "acme" },
      lists = { customers = { acme = { contact = "soc@acme.example" } } },
      expect = { summary = "Would notify acme at soc@acme.example", refused = null, steps = {
        "Write to soc@acme.example, and to nobody that the events name",
        "Message: We saw something that we are looking into, and will come back to you.",
        "Put nothing into the message that is about another customer" } } },
    { "in the analyst's words", action = { target = "" }, threat = { customer_name = "acme",
      agent_analyses = { priority = { customer_message = "We saw\nsign-ins." } } },
      lists = { customers = { acme = { contact = "a@b.example" } } },
      expect = { steps = { "Write to a@b.example, and to nobody that the events name", "Message: We saw sign-ins.",
        "Put nothing into the message that is about another customer" } } },
    { "not without a contact", action = {}, threat = { customer_name = "acme" }, lists = { customers = { "acme" } },
      expect = { refused = "the customer's profile has no contact" } },
    { "not without a customer", action = {}, threat = {}, expect = { refused = "the threat names no customer" } },
    { "not somebody else", action = { target = "organization.name:globex" }, threat = { customer_name = "acme" },
      lists = { customers = { acme = { contact = "a@b.example" } } },
      expect = { refused = "the target is not in this threat" } },
    { "values of other types", action = { target = {} }, threat = { customer_name = { "acme" } },
      expect = { refused = "the action names no target" } },
  },
}
