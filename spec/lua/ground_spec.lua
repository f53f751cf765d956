-- The checks of tools/lint can fail: each is shown a small tree that breaks the rule it holds.
package.path = "tools/lib/?.lua;" .. package.path
local floors = require "floors"
local sizes = require "sizes"

local function quoted(text)
  return "'" .. text .. "'"
end

describe("the floors", function()
  local top

  before_each(function()
    local pipe = io.popen("mktemp -d")
    top = pipe:read("l")
    pipe:close()
  end)

  after_each(function() os.execute("rm -rf " .. quoted(top)) end)

  local function write(path, text)
    os.execute("mkdir -p " .. quoted(top .. "/" .. (path:match("^(.*)/") or "")))
    local file = assert(io.open(top .. "/" .. path, "w"))
    file:write(text)
    file:close()
  end

  -- All problems found, in one string.
  local function problems()
    local list = {}
    for _, result in ipairs(floors.check(top)) do
      for _, problem in ipairs(result.problems) do list[#list + 1] = problem end
    end
    return table.concat(list, "\n")
  end

  it("let a folder include itself, lower floors and the C library", function()
    write("core/base/err.h", "#include <stddef.h>\n")
    write("core/event/event.h", '#include "base/err.h"\n')
    write("core/event/event.c", '#include "event/event.h"\n#include <string.h>\n')
    assert.equal("", problems())
  end)

  local cases = {
    { "a higher floor", "core/base/a.c", '#include "rules/b.h"', "stands higher", "core/rules/b.h" },
    { "a folder of the same floor", "core/loop/a.c", '#include "event/b.h"', "stands on the same floor",
      "core/event/b.h" },
    { "a header that is not there", "core/loop/a.c", '#include "base/gone.h"', "is no header of core/" },
    { "a header without its folder", "core/base/a.c", '#include "b.h"', "write \"folder/name.h\"", "core/base/b.h" },
    { "another folder's library", "core/rules/a.c", "#include <sqlite3.h>", "belongs to core/data" },
    { "evhttp outside net", "core/loop/a.c", "#include <event2/http.h>", "belongs to core/net" },
    { "a library that nobody owns", "core/base/a.c", "#include <zstd.h>", "has no owner" },
    { "lua_State above the Lua floor", "core/rules/a.c", "struct lua_State;", "sees lua_State" },
    { "a folder without a floor", "core/extra/a.c", "", "its folder has no floor" },
  }
  for _, case in ipairs(cases) do
    it("refuse " .. case[1], function()
      write(case[2], case[3] .. "\n")
      if case[5] then write(case[5], "") end
      assert.matches(case[4], problems(), 1, true)
    end)
  end

  it("refuse lua.h that comes through another header", function()
    write("core/lua/state.h", "#include <lua.h>\n")
    write("core/rules/a.c", '#include "lua/state.h"\n')
    assert.matches("core/rules/a.c:1: sees lua_State", problems(), 1, true)
  end)

  it("see no include in a comment", function()
    write("core/base/a.c", '/* like this:\n#include "rules/b.h"\n*/\n')
    assert.equal("", problems())
  end)

  it("refuse a library linked upwards", function()
    write("CMakeLists.txt", "\nlunette_floor(base BELOW lunette_rules)\n")
    assert.matches("lunette_base may not link lunette_rules", problems(), 1, true)
  end)
end)

describe("the sizes", function()
  local function found_in(path, text)
    local found = sizes.new_findings()
    sizes.check(path, text, found)
    return found
  end

  local function c_function(head, lines)
    return head .. "\n{\n" .. ("    work();\n"):rep(lines) .. "}\n"
  end

  it("let a function have sixty lines and five parameters", function()
    local found = found_in("a.c", c_function("int f(int a, int b, int c, int d, int e)", 60))
    assert.equal(0, #found.functions + #found.parameters)
  end)

  it("refuse sixty-one lines", function()
    assert.matches("a.c:2: f has 61 lines", found_in("a.c", c_function("int f(void)", 61)).functions[1], 1, true)
  end)

  it("refuse six parameters; a callback with its argument is one, struct err * none", function()
    local head = "static int f(int a, int b,\n    int (*c)(int x, int y), void *arg, int d, int e%s, struct err *err)"
    assert.equal(0, #found_in("a.c", c_function(head:format(""), 1)).parameters)
    assert.equal(1, #found_in("a.c", c_function(head:format(", int g"), 1)).parameters)
  end)

  it("accept what says why it is longer", function()
    local found = found_in("a.c", "/* long: a table of cases */\n" .. c_function("int f(void)", 90))
    assert.equal(0, #found.functions)
  end)

  it("refuse 601 lines of anything, but for a reason in its head", function()
    assert.equal(0, #found_in("a.lua", ("x()\n"):rep(600)).files)
    assert.equal(1, #found_in("a.lua", ("x()\n"):rep(601)).files)
    assert.equal(0, #found_in("a.lua", "-- long file: a table\n" .. ("x()\n"):rep(601)).files)
  end)
end)
