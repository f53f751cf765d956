-- luacheck: rules and plugins see what docs/rules.md lists and nothing else; specs and tools are plain Lua 5.4.
std = "lua54"
max_line_length = 120
codes = true

-- What a rule may use (rules/types/lunette.lua describes it for editors).
local allowed = {
  "rule", "policy", "agent", "exception", "source", "sample", "at", "all", "any", "none", "keywords", "everything",
  "list", "null", "action", "threats", "observations", "prompts", "schemas", "ip", "re", "json", "base64", "hash", "url",
  "time", "log", "sleep",
  "assert", "error", "ipairs", "pairs", "pcall", "xpcall", "print", "require", "select", "tonumber", "tostring", "type",
  "setmetatable", "rawequal", "rawlen", "math", "string", "table", "utf8", "_VERSION",
  os = { fields = { "time", "date" } },
}
stds.lunette = { read_globals = allowed }
files["rules/**/*.lua"] = { std = "lunette" }
files["plugins/**/*.lua"] = { std = "lunette" }
files["rules/types/*.lua"] = { std = "lua54", ignore = { "111", "112", "113", "121", "122", "211", "212" } }
files["spec/e2e/rules/*.lua"] = { std = "lunette" }
files["spec/lua/**/*.lua"] = { std = "lua54+busted" }
