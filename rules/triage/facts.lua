-- What policies read of a threat, whatever shape it came in: a field may be absent, a list, or a number written as
-- text. Nothing here raises, and missing data is nil or empty, never a guess.
local facts = {}

function facts.text(value)
  if type(value) == "string" then return value end
  if type(value) == "number" then return tostring(value) end
  return nil
end

local most_number = 1e15 -- above it a count is nobody's, and not every whole number is one any more

-- A finite number of a size that can be meant; nil for anything else.
function facts.number(value)
  local number = value
  if type(value) == "string" then number = #value <= 40 and tonumber(value) or nil end
  if type(number) ~= "number" or not (number >= -most_number and number <= most_number) then return nil end
  return number
end

-- How many of something: a whole number from 0 on, 0 for what is none.
function facts.count(value)
  local number = facts.number(value)
  return number and number > 0 and math.tointeger(math.floor(number)) or 0
end

function facts.table(value)
  if type(value) == "table" then return value end
  return {}
end

local values_most = 100 -- of one field

local function put(found, seen, value, id)
  local text = facts.text(value)
  if text and text ~= "" and #text <= 2048 and not seen[text] and #found < values_most then
    seen[text] = true
    found[#found + 1] = { value = text, evidence = id }
  end
end

-- The values of a field in all evidence, as texts, each once, with the first evidence that holds it:
-- { { value = "203.0.113.9", evidence = "E1" } }.
function facts.values(threat, path)
  local found, seen = {}, {}
  for _, item in ipairs(facts.table(threat.evidence)) do
    item = facts.table(item)
    local value = facts.table(item.context)[path]
    if type(value) == "table" then
      for _, one in ipairs(value) do put(found, seen, one, facts.text(item.id)) end
    elseif value ~= nil then
      put(found, seen, value, facts.text(item.id))
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
    local colon = text and text:find(":", 1, true)
    if colon and colon > 1 and colon < #text then
      found[#found + 1] = { text = text, field = text:sub(1, colon - 1), value = text:sub(colon + 1) }
    end
  end
  return found
end

-- A text without line ends and not longer than `most` bytes (80), cut at a character, for a sentence.
function facts.brief(text, most)
  local whole, last = facts.text(text) or "", most or 80
  if #whole <= last then return (whole:gsub("%c", " ")) end
  while last > 0 and (whole:byte(last + 1) or 0) & 0xc0 == 0x80 do last = last - 1 end
  return whole:sub(1, last):gsub("%c", " ") .. "…"
end

-- What a list says of a value: a table, or nil. A list that these rules do not have holds nothing.
function facts.listed(name, value)
  local there, entry = pcall(function() return list(name):get(value) end)
  return there and entry or nil
end

facts.levels = { INFO = 1, INFORMATIONAL = 1, LOW = 2, MEDIUM = 3, HIGH = 4, CRITICAL = 5 }
facts.names = { "INFO", "LOW", "MEDIUM", "HIGH", "CRITICAL" }

-- 1 to 5; nil for what is none.
function facts.level(severity)
  return facts.levels[(facts.text(severity) or ""):upper()]
end

return facts
