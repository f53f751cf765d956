-- What policies read of a threat, whatever shape it came in: a field may be absent, a list, or a number written as
-- text. Nothing here raises, and missing data is nil or empty, never a guess.
local facts = {}

function facts.text(value)
  if type(value) == "string" then return value end
  if type(value) == "number" then return tostring(value) end
  return nil
end

function facts.number(value)
  if type(value) == "number" then return value end
  if type(value) == "string" and #value <= 40 then return tonumber(value) end
  return nil
end

function facts.table(value)
  if type(value) == "table" then return value end
  return {}
end

-- The values of a field in all evidence, as texts, each once, with the first evidence that holds it:
-- { { value = "203.0.113.9", evidence = "E1" } }.
function facts.values(threat, path)
  local found, seen = {}, {}
  local function add(value, id)
    local text = facts.text(value)
    if text and text ~= "" and #text <= 2048 and not seen[text] and #found < 100 then
      seen[text] = true
      found[#found + 1] = { value = text, evidence = id }
    end
  end
  for _, item in ipairs(facts.table(threat.evidence)) do
    local id = facts.text(facts.table(item).id)
    local value = facts.table(facts.table(item).context)[path]
    if type(value) == "table" then
      for _, one in ipairs(value) do add(one, id) end
    else
      add(value, id)
    end
  end
  return found
end

function facts.first(threat, path)
  local found = facts.values(threat, path)[1]
  return found and found.value
end

-- { { text = "user.name:ana", field = "user.name", value = "ana" } }
function facts.entities(threat)
  local found = {}
  for _, entity in ipairs(facts.table(threat.entities)) do
    local text = facts.text(entity)
    local field, value = (text or ""):match("^([%w_.]+):(.+)$")
    if field then found[#found + 1] = { text = text, field = field, value = value } end
  end
  return found
end

-- A text without line ends and not longer than `most` bytes, for a sentence.
function facts.brief(text, most)
  local clean = (facts.text(text) or ""):gsub("%c", " ")
  if #clean > (most or 80) then clean = clean:sub(1, most or 80) .. "…" end
  return clean
end

facts.levels = { INFO = 1, INFORMATIONAL = 1, LOW = 2, MEDIUM = 3, HIGH = 4, CRITICAL = 5 }
facts.names = { "INFO", "LOW", "MEDIUM", "HIGH", "CRITICAL" }

-- 1 to 5; nil for what is none.
function facts.level(severity)
  return facts.levels[(facts.text(severity) or ""):upper()]
end

return facts
