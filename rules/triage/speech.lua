-- Text that talks to whoever judges it, a person or a model: in a field of an event, and in an analyst's note. A hint,
-- not a detector: it knows the words and shapes of the commoner injections in English.
local speech = {}

-- Parts of speech: a command to forget, whom it is for, what the verdict should be. Three of them in one text are no
-- accident.
local parts = {
  { name = "forget", "ignore", "disregard", "forget", "override", "overrule", "bypass", "supersede", "neglect",
    "skip" },
  { name = "earlier", "previous", "prior", "above", "preceding", "earlier", "foregoing", "original",
    "everything before", "all the" },
  { name = "orders", "instruction", "instructions", "directive", "directives", "guideline", "guidelines", "your rules",
    "the rules", "your task", "system prompt", "safety", "guardrail", "guardrails", "policies", "directions",
    "commands", "programming", "context", "prompt" },
  { name = "role", "you are now", "you are a", "act as", "pretend", "from now on", "roleplay", "developer mode",
    "jailbreak", "as an ai", "language model", "assistant", "chatgpt", "simulate", "you will", "you must", "your new" },
  { name = "verdict", "benign", "false positive", "not malicious", "harmless", "no threat", "mark this",
    "classify this", "close this", "classify as", "do not report", "do not alert", "do not escalate", "whitelist",
    "safe to ignore", "severity low", "already resolved", "approved by", "authorized test", "confidence 1" },
  { name = "answer", "respond with", "reply with", "respond only", "answer only", "output only", "say only",
    "return only", "print the", "repeat the", "reveal", "tell me", "summarize", "translate", "write a", "instead say" },
}
-- The marks of a prompt: one alone is no accident either. `mark_parts`: one of these stands in every mark.
local marks = [[<\|im_(start|end)\|>|\[/?inst\]|<<sys>>|</?system>|### ?(instruction|system)|]] ..
              [[\b(system|assistant):|begin prompt|end of prompt|<\|(endoftext|system)\|>|```system]]
local mark_parts = { "<|", "inst]", "<<sys", "system", "instruction", "assistant", "prompt" }

-- The longest word of each phrase: a text with fewer than two of them speaks in fewer than three parts.
local telling = {}
for _, part in ipairs(parts) do
  part.pattern = [[\b(]] .. table.concat(part, "|") .. [[)\b]]
  for _, phrase in ipairs(part) do
    local longest = ""
    for word in phrase:gmatch("%w+") do
      if #word > #longest then longest = word end
    end
    telling[longest] = true
  end
end

-- Most values hold none of this, and are done with at once.
local hint = [[(?i)ignor|disregard|forget|overrid|overrul|bypass|supersede|neglect|skip|\byou\b|act.as|pretend|]] ..
             [[from.now|role-?play|jailbreak|assistant|chatgpt|simulate|benign|false.pos|malicious|harmless|]] ..
             [[no.threat|]] ..
             [[this|do.not|whitelist|safe|respond|reply|answer|output|reveal|tell|summari|translate|<\||]] ..
             [[inst\]|<<sys|system|]] ..
             [[prompt]]

local function spaced(lower)
  return lower:find("%20", 1, true) and lower:gsub("%%20", " ") or lower
end

-- In lower case, with one blank between words.
function speech.plain(value)
  return (spaced(value:lower()):gsub("[%s%+_%-%.]+", " "))
end

-- Most values cannot, and are done with at once.
function speech.may_be_in(lower)
  for i = 1, #mark_parts do
    if lower:find(mark_parts[i], 1, true) then return true end
  end
  local one
  for word in spaced(lower):gmatch("%w+") do
    if telling[word] and one and one ~= word then return true end
    one = telling[word] and word or one
  end
  return false
end

-- A score, 3 and more for speech, and the names of the parts that it has.
function speech.parts_of(value)
  local lower = value:lower()
  if not speech.may_be_in(lower) or not re.test(value, hint) then return 0, {} end
  local clean, kinds, score = speech.plain(value), {}, 0
  for _, part in ipairs(parts) do
    if re.test(clean, part.pattern) then kinds[#kinds + 1], score = part.name, score + 1 end
  end
  if re.test(clean, marks) or re.test(lower, marks) then kinds[#kinds + 1], score = "mark", score + 3 end
  return score, kinds
end

-- Analysts write of earlier alerts, prompts and verdicts all day. So in a note only this speaks to whoever judges it: a
-- mark of a prompt that no log has, a command to forget with the orders near it, or words to a machine with two parts
-- of speech besides.
local note_marks = [[<\|im_(start|end)\|>|\[/?inst\]|<<sys>>|### ?instruction|<\|(endoftext|system)\|>|```system]]
local forget_orders = [[\b(ignore|disregard|forget|override|overrule|bypass|supersede|neglect|skip)( [^ ]+){0,4} ]] ..
                      [[(instructions?|directives?|guidelines?|guardrails?|programming|your (rules|task)|]] ..
                      [[system prompt)\b]]
local to_a_machine = [[\b(you are now (an?|in)|you are an? (ai|model|assistant|chatbot|language model)|]] ..
                     [[act as an? (ai|model|assistant)|as an ai|language model|chatgpt|pretend (you|to be an?))\b]]

function speech.is_in_note(said)
  local lower = said:lower()
  if not speech.may_be_in(lower) then return false end
  local clean = speech.plain(said)
  if re.test(lower, note_marks) or re.test(clean, forget_orders) then return true end
  if not re.test(clean, to_a_machine) then return false end
  local others = 0
  for _, part in ipairs(parts) do
    if part.name ~= "role" and re.test(clean, part.pattern) then others = others + 1 end
  end
  return others >= 2
end

return speech
