-- rules/lists/attack.csv against what MITRE publishes (../shared/data/attack; skipped where that folder is absent).
local FOLDER = "../shared/data/attack/"

local function read(path)
  local file = io.open(path, "r")
  if not file then return nil end
  local text = file:read("a")
  file:close()
  return text
end

-- The cells of a line; none of ours is quoted.
local function cells(line)
  local out = {}
  for cell in (line .. ","):gmatch("([^,]*),") do out[#out + 1] = cell end
  return out
end

local function attack_list()
  local entries, columns, count = {}, nil, 0
  for line in assert(read("rules/lists/attack.csv")):gmatch("[^\n]+") do
    if line:sub(1, 1) ~= "#" then
      local row = cells(line)
      if not columns then
        columns = row
      else
        local entry = {}
        for i, name in ipairs(columns) do entry[name] = row[i] or "" end
        assert(#row == #columns, line)
        assert(not entries[entry.value], "twice: " .. entry.value)
        entries[entry.value], count = entry, count + 1
      end
    end
  end
  return entries, count
end

-- One object of a JSON array of flat objects, by its id; enough for these two files, which hold no nested objects.
local function objects(text, array)
  local at = assert(text:find('"' .. array .. '":[', 1, true), array) + #array + 3
  local body = assert(text:match("^%b[]", at), array)
  local out = {}
  for object in body:gmatch("%b{}") do
    local id = object:match('"id":"([^"]*)"')
    if id then out[id] = object end
  end
  return out
end

local function field(object, name) return object:match('"' .. name .. '":"([^"]*)"') end

local function tactics(object)
  local names = {}
  for name in (object:match('"tactics":(%b[])') or ""):gmatch('"([^"]*)"') do names[#names + 1] = name end
  return table.concat(names, ";")
end

local function sorted(text)
  local names = {}
  for name in text:gmatch("[^;]+") do names[#names + 1] = name end
  table.sort(names)
  return table.concat(names, ";")
end

local function published(name)
  local text = read(FOLDER .. name)
  if not text then pending("no ../shared/data/attack here") end
  return text
end

describe("the ATT&CK list", function()
  local entries, count = attack_list()

  it("has each technique of 18.1 with its name and tactics", function()
    local text = published("enterprise-attack-18.1.json")
    if not text then return end
    local known = 0
    for id, object in pairs(objects(text, "techniques")) do
      assert.is_table(entries[id], id)
      assert.equal(field(object, "name"), entries[id].name, id)
      assert.equal(tactics(object), entries[id].tactics, id)
      known = known + 1
    end
    assert.is_true(known > 800)
  end)

  it("has each tactic of both, with the short name that techniques use", function()
    local text, later = published("enterprise-attack-18.1.json"), published("enterprise-attack-19-bridge.json")
    if not (text and later) then return end
    local both = objects(later, "tactics")
    for id, object in pairs(objects(text, "tactics")) do
      assert.equal(field(object, "name"), entries[id].name)
      assert.equal(field(object, "shortname"), entries[id].tactics)
    end
    for id, object in pairs(both) do
      local entry = assert(entries[id], id)
      assert.equal(field(object, "name"), entry.name_19 ~= "" and entry.name_19 or entry.name)
      assert.equal(field(object, "shortname"), entry.tactics_19 ~= "" and entry.tactics_19 or entry.tactics)
    end
  end)

  it("has each technique of 19 with the name and the tactics it has there", function()
    local text = published("enterprise-attack-19-bridge.json")
    if not text then return end
    for id, object in pairs(objects(text, "techniques")) do
      local entry = assert(entries[id], id)
      assert.equal(field(object, "name"), entry.name_19 ~= "" and entry.name_19 or entry.name, id)
      assert.equal(sorted(tactics(object)), sorted(entry.tactics_19 ~= "" and entry.tactics_19 or entry.tactics), id)
    end
    for id in pairs(objects(text, "subtechniques_seen")) do assert.is_table(entries[id], id) end
    for old, new in text:gmatch('"v18":"([^"]*)","v19":"([^"]*)"') do
      assert.equal(new, entries[old].replaced_by, old)
    end
  end)

  it("invents nothing", function()
    local text, later = published("enterprise-attack-18.1.json"), published("enterprise-attack-19-bridge.json")
    if not (text and later) then return end
    for id in pairs(entries) do
      assert.is_true(text:find('"' .. id .. '"', 1, true) ~= nil or later:find('"' .. id .. '"', 1, true) ~= nil, id)
    end
  end)

  it("names only ids that are in it, and short names of its own tactics", function()
    local short = {}
    for id, entry in pairs(entries) do
      if id:sub(1, 2) == "TA" then
        short[entry.tactics] = true
        if entry.tactics_19 ~= "" then short[entry.tactics_19] = true end
      end
    end
    for id, entry in pairs(entries) do
      assert.is_true(id:match("^TA%d%d%d%d$") ~= nil or id:match("^T%d%d%d%d$") ~= nil
        or id:match("^T%d%d%d%d%.%d%d%d$") ~= nil, id)
      assert.is_true(entry.name ~= "", id)
      for _, column in ipairs { "tactics", "tactics_19" } do
        for name in entry[column]:gmatch("[^;]+") do assert.is_true(short[name], id .. ": " .. name) end
      end
      if entry.replaced_by ~= "" then assert.is_table(entries[entry.replaced_by], id) end
    end
    assert.is_true(count > 850)
  end)
end)
