-- The real core through `require "lunette"`: rules from files, events as a server would get them.
local lunette = require("lunette")

local function event(fields)
  local parts = {}
  for key, value in pairs(fields) do
    parts[#parts + 1] = ("%q:%s"):format(key, type(value) == "number" and value or ("%q"):format(value))
  end
  return "{" .. table.concat(parts, ",") .. "}"
end

local function denial(id, time)
  return event {
    ["event.id"] = id, ["@timestamp"] = ("2026-01-02T03:04:%02dZ"):format(time),
    ["event.action"] = "system.push.send_factor_verify_push", ["event.outcome"] = "failure",
    ["user.name"] = "ana", ["source.ip"] = "203.0.113.9",
  }
end

local function denials(count)
  local lines = {}
  for i = 1, count do lines[i] = denial("d" .. i, i) end
  return table.concat(lines, "\n")
end

describe("the shipped rules", function()
  it("load without an error", function()
    local report = lunette.check("rules", "plugins")
    assert.is_true(report.ok)
    assert.is_true(report.rules >= 12)
  end)

  it("pass their own tests", function()
    local results = lunette.test("rules", "plugins")
    local failed = {}
    for _, t in ipairs(results.tests) do
      if not t.passed then failed[#failed + 1] = t.rule .. ": " .. t.test .. ": " .. t.message end
    end
    assert.same({}, failed)
    assert.is_true(results.passed > 40)
  end)
end)

describe("an engine", function()
  local engine
  before_each(function() engine = assert(lunette.engine("rules", "plugins")) end)
  after_each(function() engine:close() end)

  it("raises one threat for five denied prompts", function()
    assert.same({ accepted = 5, rejected = 0, errors = {} }, engine:feed(denials(5)))
    local threats = engine:threats()
    assert.equal(1, #threats)
    assert.equal("identity.mfa_fatigue", threats[1].rule.id)
    assert.equal(5, threats[1].event_count)
  end)

  it("raises none for four", function()
    engine:feed(denials(4))
    assert.same({}, engine:threats())
  end)

  it("takes a repeated delivery once", function()
    engine:feed(denials(4))
    engine:feed(denials(4))
    assert.same({}, engine:threats())
    assert.equal(4, engine:ledger().pairs.repeated)
  end)

  it("reports a bad line and keeps the good ones", function()
    local receipt = engine:feed(denials(1) .. "\nnot json\n" .. denials(1))
    assert.equal(2, receipt.accepted)
    assert.equal(1, receipt.rejected)
    assert.equal(1, #receipt.errors)
  end)

  it("has a ledger that adds up", function()
    engine:feed(denials(30))
    assert.is_true(engine:ledger().balanced)
  end)

  it("refuses a source that nobody wrote", function()
    local receipt, why = engine:feed(denials(1), "nobody")
    assert.is_nil(receipt)
    assert.matches("nobody", why)
  end)
end)

describe("broken rules", function()
  it("are refused with the place and the reason", function()
    local engine, why = lunette.engine("spec/lua/broken", "plugins")
    assert.is_nil(engine)
    assert.matches("undefined_name.lua:", why)
  end)
end)
