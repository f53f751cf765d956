-- Holds every #include of core/ against the floors of docs/architecture.md, and every third-party header
-- against the one folder that owns it. `lua5.4 tools/lib/floors.lua [TOP]` prints one result a folder;
-- `require`d, it gives `check(top)`.

-- A folder may include itself and every lower floor; folders of one floor are strangers. `owns`: headers, or
-- folders of headers, that no other folder may include, but those that share it (`shares`).
local floors = {
  { name = "base", floor = 0, owns = { "jansson.h", "simdjson.h", "openssl/", "lz4.h", "lz4frame.h", "zlib.h" } },
  { name = "event", floor = 1, owns = {} },
  { name = "loop", floor = 1, owns = { "event2/event.h", "event2/thread.h", "event2/watch.h" } },
  { name = "match", floor = 2, owns = { "pcre2.h" } },
  { name = "net", floor = 2, owns = { "event2/", "libwebsockets.h", "curl/", "hiredis/" },
    shares = { ["event2/event.h"] = true } }, -- its sockets are events of the loop
  { name = "data", floor = 3, owns = { "sqlite3.h" } },
  { name = "ai", floor = 3, owns = {} },
  { name = "lua", floor = 4, owns = { "lua.h", "lauxlib.h", "lualib.h", "luaconf.h" } },
  { name = "rules", floor = 5, owns = {} },
  { name = "pipeline", floor = 6, owns = {} },
  { name = "app", floor = 7, owns = {} },
}
local LUA_ENDS_AT = 5 -- from this floor up no lua_State is seen

-- What the compiler and the C library bring.
local system = {}
for name in ([[
  assert ctype dirent errno fcntl fnmatch float ftw inttypes limits locale malloc math poll pthread pwd sched
  setjmp signal stdalign stdarg stdatomic stdbool stddef stdint stdio stdlib stdnoreturn string strings syslog
  termios time uchar unistd wchar wctype getopt glob link semaphore spawn regex netdb iconv langinfo
  arpa/inet net/if netinet/in netinet/ip netinet/tcp execinfo
  linux/futex linux/perf_event linux/fs linux/sockios
  sys/epoll sys/eventfd sys/file sys/inotify sys/ioctl sys/mman sys/mount sys/param sys/prctl sys/queue sys/random
  sys/resource sys/select sys/sendfile sys/signalfd sys/socket sys/stat sys/statfs sys/statvfs sys/syscall
  sys/time sys/timerfd sys/times sys/types sys/uio sys/un sys/utsname sys/vfs sys/wait
  emmintrin immintrin nmmintrin smmintrin tmmintrin x86intrin xmmintrin arm_acle arm_neon cpuid
  sanitizer/asan_interface sanitizer/tsan_interface sanitizer/lsan_interface valgrind/valgrind
]]):gmatch("%S+") do
  system[name .. ".h"] = true
end

local function read(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text = file:read("a")
  file:close()
  return text
end

local function quoted(path)
  return "'" .. path:gsub("'", "'\\''") .. "'"
end

local function files_of(folder)
  local list = {}
  local pipe = io.popen("find " .. quoted(folder) .. " -type f -name '*.[ch]' -o -name '*.cc' 2>/dev/null | sort")
  for path in pipe:lines() do list[#list + 1] = path end
  pipe:close()
  return list
end

local by_name = {}
for _, folder in ipairs(floors) do by_name[folder.name] = folder end

local function covers(owned, header)
  return owned == header or (owned:sub(-1) == "/" and header:sub(1, #owned) == owned)
end

-- The folder that owns a header: the one that names it most exactly.
local function owner_of(header)
  local best, length
  for _, folder in ipairs(floors) do
    for _, owned in ipairs(folder.owns) do
      if covers(owned, header) and (not length or #owned > length) then best, length = folder.name, #owned end
    end
  end
  return best
end

-- Calls visit(line, header, is_quoted) for each #include, comments left out.
local function each_include(text, visit)
  local number = 0
  local bare = text:gsub("/%*.-%*/", function(comment) return (comment:gsub("[^\n]", "")) end)
  for line in (bare .. "\n"):gmatch("(.-)\n") do
    number = number + 1
    local header = line:match('^%s*#%s*include%s*"([^"]+)"')
    if header then visit(number, header, true) end
    header = line:match("^%s*#%s*include%s*<([^>]+)>")
    if header then visit(number, header, false) end
  end
end

local function own_header_problem(top, folder, header)
  local other = by_name[header:match("^([a-z]+)/[^/]+$")]
  if not other or not read(top .. "/core/" .. header) then
    return ('"%s" is no header of core/; write "folder/name.h"'):format(header)
  end
  if other.name == folder.name or other.floor < folder.floor then return nil end
  local relation = other.floor == folder.floor and "stands on the same floor" or "stands higher"
  return ("core/%s may not include core/%s, which %s"):format(folder.name, other.name, relation)
end

local function foreign_header_problem(folder, header, is_cpp)
  if system[header] or (is_cpp and header:match("^[a-z_]+$")) then return nil end
  local owner = owner_of(header)
  if owner == folder.name or (folder.shares and folder.shares[header]) then return nil end
  if owner then return ("<%s> belongs to core/%s"):format(header, owner) end
  return ("<%s> has no owner: name one in tools/lib/floors.lua"):format(header)
end

-- Does this file reach lua.h through headers of core/?
local function reaches_lua(top, path, seen)
  if seen[path] then return false end
  seen[path] = true
  local found = false
  each_include(read(path) or "", function(_, header, is_quoted)
    if found then return end
    if is_quoted then
      found = reaches_lua(top, top .. "/core/" .. header, seen)
    else
      found = owner_of(header) == "lua"
    end
  end)
  return found
end

local function check_file(top, folder, path, problems)
  local shown, text = path:sub(#top + 2), read(path)
  local function add(line, message)
    problems[#problems + 1] = ("%s:%d: %s"):format(shown, line, message)
  end
  each_include(text, function(line, header, is_quoted)
    local problem
    if is_quoted then
      problem = own_header_problem(top, folder, header)
    else
      problem = foreign_header_problem(folder, header, path:sub(-3) == ".cc")
    end
    if problem then add(line, problem) end
  end)
  if folder.floor >= LUA_ENDS_AT and (text:find("lua_State", 1, true) or reaches_lua(top, path, {})) then
    add(1, "sees lua_State: from core/rules up, Lua is reached through lua/runtime.h only")
  end
end

-- The static libraries: BELOW names only lower floors.
local function check_links(top, problems)
  local text = read(top .. "/CMakeLists.txt") or ""
  for name, rest in text:gmatch("\nlunette_floor%(([a-z]+)([^)]*)%)") do
    for below in rest:gmatch("lunette_([a-z]+)") do
      if not by_name[name] or not by_name[below] or by_name[below].floor >= by_name[name].floor then
        problems[#problems + 1] = ("CMakeLists.txt: lunette_%s may not link lunette_%s"):format(name, below)
      end
    end
  end
end

-- An array of { name, problems }, one entry a folder, one for folders that the table lacks, one for the links.
local function check(top)
  local results = {}
  for _, folder in ipairs(floors) do
    local problems = {}
    for _, path in ipairs(files_of(top .. "/core/" .. folder.name)) do check_file(top, folder, path, problems) end
    results[#results + 1] = { name = "core/" .. folder.name .. " includes only what it may", problems = problems }
  end
  local strangers = {}
  for _, path in ipairs(files_of(top .. "/core")) do
    local folder = path:sub(#top + 2):match("^core/([^/]+)/")
    if not by_name[folder] then strangers[#strangers + 1] = path:sub(#top + 2) .. ": its folder has no floor" end
  end
  results[#results + 1] = { name = "every file of core/ stands on a floor", problems = strangers }
  local links = {}
  check_links(top, links)
  results[#results + 1] = { name = "the libraries are linked downward only", problems = links }
  return results
end

if ... == "floors" then return { check = check } end
for _, result in ipairs(check(arg[1] or ".")) do
  print((#result.problems == 0 and "ok floors: " or "not ok floors: ") .. result.name)
  for _, problem in ipairs(result.problems) do print("# " .. problem) end
end
