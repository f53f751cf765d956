-- What policies read of a threat, whatever shape it came in: a field may be absent, a list, or a number written as
-- text. Nothing here raises, and missing data is nil or empty, never a guess.
local type, ipairs, tostring = type, ipairs, tostring -- asked for in each line below
local facts = {}

local function text(value)
  if value == nil then return nil end
  local kind = type(value)
  if kind == "string" then return value end
  if kind == "number" then return tostring(value) end
  return nil
end
facts.text = text

local most_number = 1e15 -- above it a count is nobody's, and not every whole number is one any more

-- A finite number of a size that can be meant; nil for anything else.
local function number(value)
  local found = value
  if value == nil then return nil end
  if type(value) == "string" then found = #value <= 40 and tonumber(value) or nil end
  if type(found) ~= "number" or not (found >= -most_number and found <= most_number) then return nil end
  return found
end
facts.number = number

-- How many of something: a whole number from 0 on, 0 for what is none.
function facts.count(value)
  local found = number(value)
  return found and found > 0 and math.tointeger(math.floor(found)) or 0
end

-- For all that is no table, and for no values: one for all, which nobody can write into.
local nothing = setmetatable({}, { __newindex = function() error("what a threat holds is read-only", 2) end })

local function table_of(value)
  return value ~= nil and type(value) == "table" and value or nothing
end
facts.table = table_of

-- The events of the evidence, once for all that looks at them: { { id = "E1", about = { path = value } } }.
function facts.events(threat)
  local events = {}
  for i, item in ipairs(table_of(threat.evidence)) do
    item = table_of(item)
    events[i] = { id = text(item.id), about = table_of(item.context) }
  end
  return events
end

local values_most = 100 -- of one field

local function put(found, seen, value, id)
  local as_text = text(value)
  if as_text and as_text ~= "" and #as_text <= 2048 and not seen[as_text] and #found < values_most then
    seen[as_text] = true
    found[#found + 1] = { value = as_text, evidence = id }
  end
end

-- The values of a field in all events, as texts, each once, with the first evidence that holds it:
-- { { value = "203.0.113.9", evidence = "E1" } }.
function facts.values(events, path)
  local found, seen
  for i = 1, #events do
    local event = events[i]
    local value = event.about[path]
    if value ~= nil and not found then found, seen = {}, {} end
    if type(value) == "table" then
      for _, one in ipairs(value) do put(found, seen, one, event.id) end
    elseif value ~= nil then
      put(found, seen, value, event.id)
    end
  end
  return found or nothing
end

-- { { text = "user.name:ana", field = "user.name", value = "ana" } }
function facts.entities(threat)
  local found = {}
  for _, entity in ipairs(table_of(threat.entities)) do
    local whole = text(entity)
    local colon = whole and whole:find(":", 1, true)
    if colon and colon > 1 and colon < #whole then
      found[#found + 1] = { text = whole, field = whole:sub(1, colon - 1), value = whole:sub(colon + 1) }
    end
  end
  return found
end

-- A text without line ends and not longer than `most` bytes (80), cut at a character, for a sentence.
function facts.brief(value, most)
  local whole, last = text(value) or "", most or 80
  if #whole <= last then return (whole:gsub("%c", " ")) end
  while last > 0 and (whole:byte(last + 1) or 0) & 0xc0 == 0x80 do last = last - 1 end
  return whole:sub(1, last):gsub("%c", " ") .. "…"
end

-- What a list (list "name") says of a value: a table, or nil. A list that these rules do not have holds nothing.
function facts.listed(entries, value)
  local there, entry = pcall(entries.get, entries, value)
  return there and entry or nil
end

facts.levels = { INFO = 1, INFORMATIONAL = 1, LOW = 2, MEDIUM = 3, HIGH = 4, CRITICAL = 5 }
facts.names = { "INFO", "LOW", "MEDIUM", "HIGH", "CRITICAL" }

-- 1 to 5; nil for what is none.
function facts.level(severity)
  local name = text(severity) or ""
  return facts.levels[name] or facts.levels[name:upper()]
end

return facts
