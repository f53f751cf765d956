-- Holds the sizes that CONTRIBUTING.md names: a file has at most 600 lines, a C function 60 lines and five
-- parameters. What must be longer says why: `/* long: reason */` in the function or in the comment above it,
-- `/* long file: reason */` (Lua and shell: `long file: reason` in a comment) in the first 40 lines of a file.
-- `lua5.4 tools/lib/sizes.lua FILE...` prints one result a kind of limit; `require`d, it gives `check(path, text)`.
-- C is expected as clang-format leaves it: a function's braces stand alone in the first column.

local FILE_LINES, FUNCTION_LINES, PARAMETERS, HEAD = 600, 60, 5, 40

local function lines_of(text)
  local lines = {}
  for line in (text:sub(-1) == "\n" and text or text .. "\n"):gmatch("(.-)\n") do lines[#lines + 1] = line end
  return lines
end

-- The parameters of a function head: commas outside inner brackets. A callback and its `void *arg` are one, and
-- `struct err *`, which every action takes last, is none.
local function parameters_in(head)
  local list = head:match("(%b())[^()]*$")
  if not list or list:match("^%(%s*void%s*%)$") or list:match("^%(%s*%)$") then return 0 end
  local bare = list:sub(2, -2):gsub("%b()", "()"):gsub("%(%)%(%),%s*void %*[%w_]+", "()()")
  bare = bare:gsub(",%s*struct err %*[%w_]+%s*$", "")
  return select(2, bare:gsub(",", "")) + 1
end

-- The lines from `from` up to the blank line, `}` or `;` above: the head, and the comment above it.
local function head_above(lines, from)
  local first = from - 1
  while first >= 1 and lines[first] ~= "" and not lines[first]:match("^[}#]") do first = first - 1 end
  return first + 1
end

local function join(lines, first, last)
  return table.concat(lines, "\n", first, last)
end

local function check_function(path, lines, open, close, found)
  local first = head_above(lines, open)
  local comment_and_head = join(lines, first, open - 1)
  local head = comment_and_head:gsub("/%*.-%*/", ""):gsub("__attribute__%s*%b()", "")
  local name = head:match("([%w_]+)%s*%b()[^()]*$") or "?"
  if join(lines, first, close):match("/%*%s*long: %S") then return end
  local where = ("%s:%d: %s"):format(path, open, name)
  local length, count = close - open - 1, parameters_in(head)
  if length > FUNCTION_LINES then
    found.functions[#found.functions + 1] = ("%s has %d lines; %d are the end"):format(where, length, FUNCTION_LINES)
  end
  if count > PARAMETERS then
    found.parameters[#found.parameters + 1] = ("%s takes %d parameters; %d are the end"):format(where, count,
      PARAMETERS)
  end
end

local function check(path, text, found)
  local lines = lines_of(text)
  if #lines > FILE_LINES and not join(lines, 1, math.min(HEAD, #lines)):match("long file: %S") then
    found.files[#found.files + 1] = ("%s:%d: has %d lines; %d are the end"):format(path, FILE_LINES, #lines, FILE_LINES)
  end
  if not path:match("%.cc?$") then return end
  local open
  for number, line in ipairs(lines) do
    if line == "{" then
      open = number
    elseif line == "}" and open then
      check_function(path, lines, open, number, found)
      open = nil
    end
  end
end

local function new_findings()
  return { files = {}, functions = {}, parameters = {} }
end

if ... == "sizes" then return { check = check, new_findings = new_findings } end
local found = new_findings()
for _, path in ipairs(arg) do
  local file = assert(io.open(path, "rb"))
  check(path, file:read("a"), found)
  file:close()
end
local function report(name, problems)
  print((#problems == 0 and "ok sizes: " or "not ok sizes: ") .. name)
  for _, problem in ipairs(problems) do print("# " .. problem) end
end
report("no file is longer than 600 lines", found.files)
report("no function is longer than 60 lines", found.functions)
report("no function takes more than five parameters", found.parameters)
