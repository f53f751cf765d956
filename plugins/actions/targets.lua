-- What actions share: which target a plan names, whether it was seen in the threat, and how a dry run is told. It is
-- the last look before a person's approval counts, so it trusts neither the plan nor the values of events.
local targets = {}

function targets.list(value) return type(value) == "table" and value or {} end

-- Lists are the rules', and these actions go with any rules: what there is no list for is in no list.
function targets.entry(name, value)
  local there, entry = pcall(function() return list(name):get(value) end)
  return there and entry or nil
end

-- One line to show; "" for what is no text.
function targets.text(value, most)
  if type(value) ~= "string" then return "" end
  most = most or 120
  local line = value:gsub("[%c]", " ")
  if #line <= most then return line end
  while most > 0 and (line:byte(most + 1) or 0) & 0xc0 == 0x80 do most = most - 1 end
  return line:sub(1, most) .. "…"
end

local function holds(value, wanted)
  if type(value) ~= "table" then return value ~= nil and tostring(value) == wanted end
  for _, item in ipairs(value) do
    if type(item) ~= "table" and tostring(item) == wanted then return true end
  end
  return false
end

-- Whether "field:value" is an entity of the threat or stands in its evidence.
function targets.was_seen(threat, field, value)
  for _, entity in ipairs(targets.list(threat.entities)) do
    if entity == field .. ":" .. value then return true end
  end
  for _, record in ipairs(targets.list(threat.evidence)) do
    local context = type(record) == "table" and targets.list(record.context) or {}
    if holds(context[field], value) then return true end
  end
  return false
end

-- What else the evidence has in `field` next to "of" = value, each once, at most five.
function targets.beside(threat, of, value, field)
  local found, seen = {}, {}
  for _, record in ipairs(targets.list(threat.evidence)) do
    local context = type(record) == "table" and targets.list(record.context) or {}
    local other = context[field]
    if holds(context[of], value) and type(other) == "string" and not seen[other] and #found < 5 then
      seen[other] = true
      found[#found + 1] = targets.text(other)
    end
  end
  return found
end

function targets.refuse(title, reason)
  return { summary = "Would not " .. title .. ": " .. reason, refused = reason }
end

-- The field and the value of the action's target, or nil and why not. `fields`: those it may be of.
function targets.read(action, threat, fields)
  local target = action.target
  if type(target) ~= "string" or target == "" then return nil, "the action names no target" end
  local field, value = target:match "^([^:]+):(.+)$"
  if field == nil or #target > 1024 then return nil, "the target is no field:value" end
  local allowed = false
  for _, name in ipairs(fields) do allowed = allowed or name == field end
  if not allowed then
    return nil, ("the target is of %s, not of %s"):format(targets.text(field), table.concat(fields, ", "))
  end
  if value:find "%c" then return nil, "the target holds control characters" end
  if not targets.was_seen(threat, field, value) then return nil, "the target is not in this threat" end
  return field, value
end

-- A whole number of minutes of the action's parameters, within bounds; else the usual.
function targets.minutes(action, usual, most)
  local minutes = targets.list(action.parameters).minutes
  if math.type(minutes) == "float" and minutes % 1 == 0 then minutes = math.tointeger(minutes) end
  return math.type(minutes) == "integer" and minutes >= 1 and minutes <= most and minutes or usual
end

-- "from … to …" of the threat, "" where it is not known.
function targets.span(threat)
  local first, last = targets.text(threat.first_seen, 40), targets.text(threat.last_seen, 40)
  if first == "" then return "" end
  return last ~= "" and last ~= first and (" from %s to %s"):format(first, last) or " at " .. first
end

-- Whose threat it is.
function targets.customer(threat)
  local name = targets.text(threat.customer_name)
  return name ~= "" and name or "the customer"
end

-- What is known of the customer; {} for nothing.
function targets.profile(threat)
  local name = threat.customer_name
  return type(name) == "string" and targets.list(targets.entry("customers", name)) or {}
end

-- What is known of an asset, for a warning; nil where it is of no weight.
function targets.asset_warning(field, value)
  local asset = targets.entry("assets", field .. ":" .. value)
  if type(asset) ~= "table" or asset.criticality ~= "critical" and asset.criticality ~= "high" then return nil end
  local owner = targets.text(asset.owner)
  return ("%s is of %s criticality%s"):format(targets.text(value), asset.criticality,
    owner ~= "" and "; ask " .. owner .. " first" or "")
end

-- A single address that may be acted on from outside: the canonical address, or nil and why not.
function targets.address(value)
  if value:find("/", 1, true) then return nil, "the target is a network, and an action is about one address" end
  local address = ip.parse(value)
  if address == nil then return nil, "the target is no address" end
  if address:find "^22[4-9]%." or address:find "^2[345]%d%." or address:find "^ff" or address:find "^0%." then
    return nil, "the address is no host's"
  end
  return address
end

-- Whether the allow-list holds the value for this threat: an entry may be over, or for another customer or rule.
function targets.is_allowed(threat, value)
  local entry = targets.entry("allowlist", value)
  if type(entry) ~= "table" then return false end
  local rule = targets.list(threat.rule)
  local day = targets.text(threat.last_seen, 40):sub(1, 10)
  return not (type(entry.expires) == "string" and day ~= "" and entry.expires < day)
    and (entry.customer == nil or entry.customer == threat.customer_name)
    and (entry.rule == nil or entry.rule == rule.id)
end

-- Why an address is not to be hindered: it is our own, or known to be harmless. nil: nothing speaks for it.
function targets.spared(threat, address)
  if ip.is_private(address) then return "the address is private: a machine of our own, or many behind one" end
  if targets.entry("corporate_networks", address) then return "the address is in one of our own networks" end
  if targets.is_allowed(threat, address) then return "the address is on the allow-list" end
  if targets.entry("crawler_ranges", address) then return "the address is a known crawler's" end
end

local built_in = { system = true, root = true, ["local service"] = true, ["network service"] = true, anonymous = true,
  ["anonymous logon"] = true, ["local system"] = true, localsystem = true, nobody = true, ["-"] = true }

-- Why an account is not one that a person signs in with; nil: it may be one.
function targets.is_no_person(value)
  local name = (value:match "\\([^\\]+)$" or value):lower()
  if name:find "%$$" then return "the account is a machine's own" end
  if built_in[name] or value:lower():find "^nt authority\\" then return "the account is built into the system" end
  if name:find "[*?%%;,]" then return "the target is not the name of one account" end
end

-- For actions that are about the whole threat: nil, or why a target that is named all the same is refused. The fields
-- in such an action's `target` only say what a plan may name for the reader.
function targets.wrong_subject(action, threat, fields)
  if action.target == nil or action.target == "" then return nil end
  local field, reason = targets.read(action, threat, fields)
  return field == nil and reason or nil
end

-- The title, the severity and the number of events of a threat, for a message; each only where it is there.
function targets.describe(threat)
  local title, severity = targets.text(threat.title, 200), targets.text(threat.severity, 20)
  local count = math.type(threat.event_count) == "integer" and (", events: %d"):format(threat.event_count) or ""
  return (title ~= "" and title or "a threat without a title") .. (severity ~= "" and ", " .. severity or "") .. count
end

return targets
