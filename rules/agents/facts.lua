-- What the agents' own rules share: reading tables that may hold anything, citing the evidence, and writing findings.
-- What is read here came from events, people and lists, so nothing is taken to be of the type that it should have.
local facts = {}

local WALKED = 100 -- entries of one list that are looked at

-- The entries of a list that are of a kind (any without one); {} for what is no list.
function facts.list(value, kind)
  local found = {}
  for i, item in ipairs(type(value) == "table" and value or {}) do
    if i > WALKED then break end
    if kind == nil or type(item) == kind then found[#found + 1] = item end
  end
  return found
end

function facts.table(value) return type(value) == "table" and value or {} end

-- A finite number, also from a text as CSV files have it; else nil.
function facts.number(value)
  local number = (type(value) == "number" or type(value) == "string") and tonumber(value) or nil
  return number and number == number and number > -1e15 and number < 1e15 and number or nil
end

-- One line to show, at most `most` bytes; nil for what is no text. Without quotes: in a claim a quoted text is held
-- against the evidence.
function facts.text(value, most)
  if type(value) == "number" then value = tostring(value) end
  if type(value) ~= "string" or value == "" then return nil end
  most = most or 80
  local line = value:sub(1, most + 4):gsub("[%c\"`]", " "):gsub("“", "'"):gsub("”", "'")
  if #value <= most and #line <= most then return line end
  local last = math.min(most, #line)
  while last > 0 and (line:byte(last + 1) or 0) & 0xc0 == 0x80 do last = last - 1 end
  return line:sub(1, last) .. "…"
end

-- Seconds since 1970 of a time as the API writes it; nil for anything else.
function facts.time(value)
  if type(value) ~= "string" or #value > 40 then return nil end
  return (time.parse(value, "rfc3339"))
end

-- "1 change", "3 changes".
function facts.count(number, one, many) return ("%d %s"):format(number, number == 1 and one or many or one .. "s") end

function facts.join(items, most)
  local shown = {}
  for i = 1, math.min(#items, most or 3) do shown[i] = items[i] end
  return table.concat(shown, ", ") .. (#items > #shown and (" and %d more"):format(#items - #shown) or "")
end

---------------------------------------------------------------------------------------------------------------
-- Asking, in `gather`: the answer, or nil when it could not be had, so that one failure leaves the other answers.
function facts.ask(question, ...)
  local good, answer = pcall(question, ...)
  return good and type(answer) == "table" and answer or nil
end

-- The entry of a list, or nil; also where there is no such list.
function facts.entry(name, value)
  if type(value) ~= "string" or value == "" then return nil end
  local there, entry = pcall(function() return list(name):get(value) end)
  return there and entry or nil
end

-- Seconds ago that reach back to `before` seconds ahead of the threat's first event: a job may run late.
function facts.since(threat, before)
  local first = facts.time(threat.first_seen)
  local age = first and math.max(0, time.now() - first) or 0
  return math.min(age + before, 7 * 86400)
end

---------------------------------------------------------------------------------------------------------------
-- The evidence: records with an id and values.
function facts.evidence(threat)
  local found = {}
  for _, record in ipairs(facts.list(threat.evidence, "table")) do
    if type(record.id) == "string" and record.id:find "^E%d+$" then
      found[#found + 1] = { id = record.id, context = facts.table(record.context) }
    end
  end
  return found
end

local function holds(value, wanted)
  if type(value) == "table" then
    for _, item in ipairs(facts.list(value)) do
      if type(item) ~= "table" and tostring(item):lower() == wanted then return true end
    end
    return false
  end
  return value ~= nil and tostring(value):lower() == wanted
end

local CITED = 5 -- ids of one claim

-- Ids of the evidence for which `test(context)` holds.
function facts.cite(threat, test)
  local ids = {}
  for _, record in ipairs(facts.evidence(threat)) do
    if #ids < CITED and test(record.context) then ids[#ids + 1] = record.id end
  end
  return ids
end

-- Of that in which the entity "user.name:ana" stands.
function facts.cite_entity(threat, entity)
  local field, value = tostring(entity):match "^([^:]+):(.+)$"
  if field == nil then return {} end
  value = value:lower()
  return facts.cite(threat, function(context) return holds(context[field], value) end)
end

-- Of that in which one of these values stands, in whatever field.
function facts.cite_value(threat, value)
  local wanted = tostring(value):lower()
  return facts.cite(threat, function(context)
    for _, found in pairs(context) do
      if holds(found, wanted) then return true end
    end
    return false
  end)
end

-- The first and the last: for what is true of the threat as a whole.
function facts.cite_whole(threat)
  local all = facts.evidence(threat)
  if #all == 0 then return {} end
  return #all == 1 and { all[1].id } or { all[1].id, all[#all].id }
end

-- Ids of both, each once.
function facts.both(some, others)
  local ids, seen = {}, {}
  for _, from in ipairs { some, others } do
    for _, id in ipairs(from) do
      if not seen[id] and #ids < CITED then ids[#ids + 1] = id end
      seen[id] = true
    end
  end
  return ids
end

-- The distinct values of a field in the evidence, as texts.
function facts.values(threat, field)
  local found, seen = {}, {}
  for _, record in ipairs(facts.evidence(threat)) do
    local value = record.context[field]
    for _, item in ipairs(type(value) == "table" and facts.list(value) or { value }) do
      if type(item) ~= "table" and not seen[item] then
        seen[item] = true
        found[#found + 1] = tostring(item)
      end
    end
  end
  return found
end

---------------------------------------------------------------------------------------------------------------
-- A finding in the making. Lists that stay empty are left out of it.
local ranks = { INFO = 0, INFORMATIONAL = 0, LOW = 1, MEDIUM = 2, HIGH = 3, CRITICAL = 4 }

-- 0 to 4; nil for what is no severity.
function facts.rank(severity) return type(severity) == "string" and ranks[severity] or nil end

function facts.is_grave(threat) return (facts.rank(threat.severity) or 0) >= 3 end

function facts.finding()
  return { claims = {}, verdict = "not_evaluable", confidence = 0.2 }
end

-- A claim, where there is evidence for it; else it is only told in the summary, and false is returned.
function facts.claim(finding, kind, text, ids)
  finding.said = finding.said or {}
  finding.said[#finding.said + 1] = text
  if #ids == 0 then return false end
  finding.claims[#finding.claims + 1] = { kind = kind, text = text, evidence = ids }
  return true
end

function facts.add(finding, key, text)
  finding[key] = finding[key] or {}
  finding[key][#finding[key] + 1] = text
end

-- The finding as it is returned: `fallback` is the summary of one that says nothing.
function facts.close(finding, fallback)
  local said = finding.said or {}
  finding.summary = #said > 0 and table.concat(said, ". ", 1, math.min(#said, 6)) .. "." or fallback
  finding.said = nil
  return finding
end

return facts
