-- What holds of the triage policies whatever a threat looks like: they are run here, outside the server, on thousands
-- of made and broken threats, and held against what the core checks of their answers (core/pipeline/triage_check.h).
-- Their own tests (lunette test) say what they decide.
local SEVERITIES = { "INFO", "LOW", "MEDIUM", "HIGH", "CRITICAL" }
local TYPES = {
  "bot_traffic", "proxy_network", "device_compromise", "anomaly_detection", "rate_limit_breach", "geo_anomaly", "own",
}
local POLICIES = { "false_positive", "severity", "mitre", "response", "timeline" } -- in the order in which they run

-- A small part of what a rule file can name; lists are those of the case.
local lists = {}

local function world()
  local env = setmetatable({}, { __index = _G })
  env.policy = function(spec) return spec end
  env.null = {}
  env.list = function(name)
    return {
      get = function(_, value) return (lists[name] or error("no list " .. name))[value] end,
    }
  end
  env.ip = {
    version = function(text)
      if type(text) ~= "string" then return nil end
      return text:find("^%d+%.%d+%.%d+%.%d+$") and 4 or text:find("^[%x:]+:[%x:]*$") and 6 or nil
    end,
    is_private = function(text) return text:find("^10%.") ~= nil or text:find("^192%.168%.") ~= nil end,
  }
  env.time = { parse = function(text) return text:find("^2") and 1.8e9 or nil end }
  env.re = { test = function() return false end }
  local loaded = {}
  local function load_file(path) return assert(loadfile(path, "t", env))() end
  env.require = function(name)
    loaded[name] = loaded[name] or load_file("rules/" .. name:gsub("%.", "/") .. ".lua")
    return loaded[name]
  end
  return load_file
end

local load_file = world()
local policies = {}
for _, name in ipairs(POLICIES) do policies[name] = load_file("rules/triage/" .. name .. ".lua") end

local action_types = {}
for path in io.popen("ls plugins/actions"):lines() do
  local name = path:match("^([%w_]+)%.lua$")
  if name and name ~= "targets" then action_types[name] = true end
end

-- ---- made threats ----

local junk = {
  0, -1, 7, 2.5, 1e300, -1e300, "1e999", "12", "nan", "", "x", ("y"):rep(3000), true, false, {}, { 1 }, { "a", "b" },
  { { { {} } } }, { id = {} }, "user.name:", ":x", "source.ip:203.0.113.9", "\0\27[2J", ("ü"):rep(300),
}

local function pick(random, from) return from[random(#from)] end

local function address(random) return ("%d.0.113.%d"):format(pick(random, { 10, 203, 198 }), random(6)) end

local fields = {
  "source.ip", "client.ip", "destination.ip", "user.name", "host.name", "user_agent.original", "process.command_line",
  "file.path", "process.executable", "event.action", "threat.technique.id",
}

local function some_value(random, field)
  if field:sub(-3) == ".ip" then return address(random) end
  return pick(random, { "ana", "T1110", "Googlebot/2.1", "bingbot", "C:\\a.exe", "schtasks /create", "reg save \\sam" })
end

local function evidence(random)
  local all = {}
  for i = 1, random(0, 12) do
    local context = {}
    for _ = 1, random(0, 6) do
      local field = pick(random, fields)
      context[field] = random(4) == 1 and { some_value(random, field), some_value(random, field) }
                       or some_value(random, field)
    end
    all[i] = { id = "E" .. i, context = context }
  end
  return all
end

local function entities(random)
  local all = {}
  for i = 1, random(0, 8) do
    local field = pick(random, { "source.ip", "user.name", "host.name", "organization.id" })
    all[i] = field .. ":" .. some_value(random, field)
  end
  return all
end

local function counts(random)
  return { true_positive = random(0, 50), false_positive = random(0, 50), benign_true_positive = random(0, 9) }
end

local function threat_and_context(random)
  local floor = random(5)
  local threat = {
    threat_type = pick(random, TYPES), severity = SEVERITIES[random(floor, 5)], severity_floor = SEVERITIES[floor],
    entities = entities(random), evidence = evidence(random), event_count = math.floor(10 ^ random(0, 7)),
    mitre_tags = { "T1110", "T1078" }, customer_name = "acme", rule = { id = "a.b", title = "A rule" },
  }
  for i = 1, random(0, 3) do
    threat.intel_matches = threat.intel_matches or {}
    threat.intel_matches[i] = { list = "intel_ips", indicator = "x", attributes = { confidence = random(0, 100) } }
  end
  local context = {
    now = 1.8e9, verdicts = { rule = counts(random), entities = { ["user.name:ana"] = counts(random) } },
    assets = { ["host.name:ana"] = { criticality = pick(random, { "critical", "high", "medium", "low", "none" }) } },
    manipulation = { findings = random(3) == 1 and { { name = "n", reason = "r" } } or {} },
    profile = { sla_minutes = { critical = random(0, 20) } },
  }
  return threat, context
end

-- Replaces some members, at any depth, by something that has no business there.
local function break_some(random, value, depth)
  for key, member in pairs(value) do
    if random(5) == 1 then
      value[key] = pick(random, junk)
    elseif type(member) == "table" and depth < 4 then
      break_some(random, member, depth + 1)
    end
  end
end

local function copy(value)
  if type(value) ~= "table" then return value end
  local all = {}
  for key, member in pairs(value) do all[key] = copy(member) end
  return all
end

-- ---- what must hold ----

local function sum_of(parts, amount, most)
  local sum = 0
  for _, part in ipairs(parts) do
    assert(type(part.name) == "string" and #part.name >= 1 and #part.name <= 64, "a part without a name")
    assert(type(part.reason) == "string" and #part.reason >= 1 and #part.reason <= 512, part.name .. ": no reason")
    assert(math.abs(part[amount]) <= most, part.name)
    sum = sum + part[amount]
  end
  assert(#parts <= 32)
  return sum
end

local function level(name)
  for i, one in ipairs(SEVERITIES) do
    if one == name or one == "INFO" and name == "INFORMATIONAL" then return i end
  end
end

local least = { 0, 25, 45, 65, 85 }

local check = {}

function check.false_positive(answer)
  assert(answer.score >= 0 and answer.score <= 1 and answer.confidence >= 0 and answer.confidence <= 1)
  assert(math.abs(answer.base + sum_of(answer.indicators, "weight", 2) - answer.score) < 1e-9, "does not add up")
  local expected = answer.score >= 0.7 and "likely_false_positive" or answer.score <= 0.35 and "likely_real_threat"
                   or "needs_review"
  assert(answer.recommendation == expected, answer.recommendation)
  assert(#answer.explanation >= 1 and #answer.explanation <= 1024)
end

function check.severity(answer, threat)
  local score = sum_of(answer.parts, "value", 100)
  assert(score >= 0 and score <= 100 and score == math.floor(score), "score " .. score)
  local is, floor = level(answer.severity), level(threat.severity_floor)
  assert(is, "no severity")
  if floor then assert(is >= floor, "below the floor") end
  assert(score >= least[is] and (is == 5 or score < least[is + 1]), "severity and score differ")
end

function check.mitre(answer)
  local seen = {}
  assert(#answer <= 10)
  for _, item in ipairs(answer) do
    assert(item.id:find("^TA?%d%d%d%d") and #item.id <= 9 and not seen[item.id], item.id)
    assert(item.confidence >= 0 and item.confidence <= 1 and type(item.source) == "string")
    seen[item.id] = true
  end
end

local function was_seen(threat, target)
  local field, value = target:match("^([^:]+):(.+)$")
  for _, entity in ipairs(type(threat.entities) == "table" and threat.entities or {}) do
    if tostring(entity) == target then return true end
  end
  for _, item in ipairs(type(threat.evidence) == "table" and threat.evidence or {}) do
    local held = type(item) == "table" and type(item.context) == "table" and item.context[field]
    for _, one in ipairs(type(held) == "table" and held or { held }) do
      if tostring(one) == value then return true end
    end
  end
  return false
end

function check.response(answer, threat, context)
  assert(#answer.actions >= 1 and #answer.actions <= 10, #answer.actions .. " actions")
  assert(math.type(answer.sla_minutes) == "integer" and answer.sla_minutes >= 1 and answer.sla_minutes <= 480)
  assert(#answer.urgency >= 1 and #answer.escalation_path >= 1)
  local reviews = false
  for _, action in ipairs(answer.actions) do
    assert(action_types[action.type], "no action " .. tostring(action.type))
    assert(action.requires_approval == true and #action.reason <= 512)
    assert(action.target == nil or was_seen(threat, action.target), tostring(action.target))
    local private = action.target and action.target:find(":10%.")
    assert(not (action.type == "block_ip" and private), "blocks a private address")
    reviews = reviews or action.type == "review"
  end
  local findings = type(context.manipulation) == "table" and context.manipulation.findings
  if type(findings) == "table" and #findings > 0 then assert(reviews, "manipulation without a review") end
end

function check.timeline(answer)
  local count = 0
  for key, title in pairs(answer.titles) do
    assert(type(key) == "string" and type(title) == "string" and #title <= 512)
    count = count + 1
  end
  assert(count <= 64)
end

-- All policies one after the other, each with what those before it said; as core/pipeline/triage.c does.
local function run_all(threat, context)
  for _, name in ipairs(POLICIES) do
    local before = copy(threat)
    local good, answer = pcall(policies[name].decide, threat, context)
    assert.same(before, threat)
    local has_none = not (level(threat.severity_floor) or level(threat.severity))
    if not good then
      assert(has_none and tostring(answer):find("no severity"), name .. ": " .. tostring(answer))
    else
      check[name](answer, threat, context)
      context[name] = answer
    end
  end
end

-- The numbers of a run, so that a failure can be run again.
local function generator(seed)
  local state = seed * 2654435761 % 4294967296
  return function(from, to)
    if not to then from, to = 1, from end
    state = (state * 1664525 + 1013904223) % 4294967296
    return from + (state >> 8) % (to - from + 1)
  end
end

describe("the triage policies", function()
  before_each(function()
    lists = {
      allowlist = { ["203.0.113.1"] = {}, ["user.name:ana"] = { reason = ("r"):rep(900) } }, corporate_networks = {},
      crawler_ranges = { ["203.0.113.2"] = { name = "Googlebot", agent = "googlebot" } },
    }
  end)

  it("keep to what the core takes, for threats of every kind", function()
    for seed = 1, 2000 do
      local random = generator(seed)
      local threat, context = threat_and_context(random)
      local good, why = pcall(run_all, threat, context)
      assert(good, "seed " .. seed .. ": " .. tostring(why))
    end
  end)

  it("keep to it for broken ones too, and fail only where there is no severity", function()
    for seed = 1, 4000 do
      local random = generator(seed)
      local threat, context = threat_and_context(random)
      break_some(random, threat, 1)
      break_some(random, context, 1)
      local good, why = pcall(run_all, threat, context)
      assert(good, "seed " .. seed .. ": " .. tostring(why))
    end
  end)

  it("go on where the lists are not there", function()
    lists = {}
    for seed = 1, 200 do
      local random = generator(seed)
      run_all(threat_and_context(random))
    end
  end)

  it("have a plan for each type and severity, graver with the severity", function()
    local hard = { block_ip = true, isolate_host = true, disable_account = true, quarantine_file = true,
                   revoke_sessions = true, rate_limit = true }
    for _, kind in ipairs(TYPES) do
      local minutes
      for i, severity in ipairs(SEVERITIES) do
        local plan = policies.response.decide({
          threat_type = kind, severity = severity, severity_floor = severity,
          entities = { "source.ip:203.0.113.9", "user.name:ana", "host.name:ws-1" },
        }, {})
        assert.equal(({ 480, 240, 60, 30, 15 })[i], plan.sla_minutes)
        assert.is_true(minutes == nil or plan.sla_minutes < minutes)
        minutes = plan.sla_minutes
        local measures = 0
        for _, action in ipairs(plan.actions) do measures = measures + (hard[action.type] and 1 or 0) end
        if i <= 2 then assert.equal(0, measures, kind .. " " .. severity) end
        if i == 5 then assert.is_true(measures > 0, kind .. " " .. severity) end
      end
    end
  end)

  it("judge no threat more harmless because of a sign of manipulation", function()
    for seed = 1, 1000 do
      local random = generator(seed)
      local threat, clean = threat_and_context(random)
      clean.manipulation = { findings = {} }
      local flagged = copy(clean)
      flagged.manipulation = { findings = { { name = "n", reason = "r" } } }
      local scores = {}
      for _, context in ipairs { clean, flagged } do
        context.false_positive = policies.false_positive.decide(threat, context)
        local severity = policies.severity.decide(threat, context)
        scores[#scores + 1] = { context.false_positive.score, level(severity.severity) }
      end
      assert(scores[2][1] <= scores[1][1], "seed " .. seed .. ": more likely a false alarm")
      assert(scores[2][2] >= scores[1][2], "seed " .. seed .. ": less severe")
    end
  end)

  it("grow surer with verdicts, and move little for few", function()
    local function score(count)
      return policies.false_positive.decide({ threat_type = "geo_anomaly" },
        { verdicts = { rule = { false_positive = count }, entities = {} } })
    end
    local before = score(0)
    assert.equal(0, before.confidence)
    for _, count in ipairs { 1, 2, 5, 20, 100, 1000 } do
      local now = score(count)
      assert.is_true(now.score > before.score and now.confidence > before.confidence, "after " .. count)
      assert.is_true(now.score <= 0.4 + 0.35)
      before = now
    end
    assert.is_true(score(1).score - score(0).score <= 0.1)
  end)
end)
