-- Takes one file out of reach where it was seen. Never a part of the system: what misuses a program is not the program.
local targets = require "actions.targets"

local fields = { "file.path", "process.executable" }

local function is_part_of_system(path)
  local lower = path:lower():gsub("/", "\\")
  return lower:find "^%a:\\windows\\" and not lower:find "^%a:\\windows\\temp\\"
    or lower:find "^\\s?bin\\" or lower:find "^\\lib%d*\\" or lower:find "^\\usr\\s?bin\\" or lower:find "^\\usr\\lib"
    or lower:find "^\\boot\\" or lower:find "^\\system\\"
end

local function why_not(target)
  local path = target:gsub("^\\\\[?.]\\", "") -- how Windows writes a path that it is not to change
  if path:find "[*?]" or path:find "[\\/]$" then return "the target is not the path of one file" end
  if not (path:find "^%a:[\\/]" or path:find "^/" or path:find "^\\\\") then return "the path is not a full one" end
  if path:find "%.%.[\\/]" then return "the path leads upwards" end
  if is_part_of_system(path) then return "the file is a part of the system; stop what uses it instead" end
end

return action {
  id      = "quarantine_file",
  title   = "Quarantine a file",
  target  = fields,
  dry_run = function(action, threat)
    local field, value = targets.read(action, threat, fields)
    if field == nil then return targets.refuse("quarantine a file", value) end
    local reason = why_not(value)
    if reason then return targets.refuse("quarantine " .. targets.text(value), reason) end
    local hosts = targets.beside(threat, field, value, "host.name")
    if #hosts == 0 then
      return targets.refuse("quarantine " .. targets.text(value), "no machine is known on which it was seen")
    end
    local path = targets.text(value, 300)
    return {
      summary = ("Would quarantine %s on %s of %s"):format(path, table.concat(hosts, ", "), targets.customer(threat)),
      steps   = {
        "Take the file's hash and a copy for the analyst",
        ("Move %s to the quarantine of each of: %s"):format(path, table.concat(hosts, ", ")),
        "Look for the hash on other machines",
      },
    }
  end,
  tests   = {
    { "a file where it was seen", action = { target = "file.path:C:\\Users\\Public\\a.exe" },
      threat = { customer_name = "acme", evidence = { { id = "E1", context = {
        ["file.path"] = "C:\\Users\\Public\\a.exe", ["host.name"] = "ws-1" } } } },
      expect = { summary = "Would quarantine C:\\Users\\Public\\a.exe on ws-1 of acme", refused = null, steps = {
        "Take the file's hash and a copy for the analyst",
        "Move C:\\Users\\Public\\a.exe to the quarantine of each of: ws-1", "Look for the hash on other machines" } } },
    { "not a program of the system", action = { target = "process.executable:C:\\Windows\\System32\\reg.exe" },
      threat = { entities = { "process.executable:C:\\Windows\\System32\\reg.exe" } },
      expect = { refused = "the file is a part of the system; stop what uses it instead" } },
    { "nor of another system", action = { target = "process.executable:/usr/bin/curl" },
      threat = { entities = { "process.executable:/usr/bin/curl" } },
      expect = { refused = "the file is a part of the system; stop what uses it instead" } },
    { "nor in another spelling", action = { target = "file.path:\\\\?\\C:/WINDOWS/explorer.exe" },
      threat = { entities = { "file.path:\\\\?\\C:/WINDOWS/explorer.exe" } },
      expect = { refused = "the file is a part of the system; stop what uses it instead" } },
    { "what lies in a folder for temporary files is none", action = { target = "file.path:c:/windows/temp/a.exe" },
      threat = { entities = { "file.path:c:/windows/temp/a.exe" },
        evidence = { { context = { ["host.name"] = "ws-1", ["file.path"] = "c:/windows/temp/a.exe" } } } },
      expect = { refused = null, summary = "Would quarantine c:/windows/temp/a.exe on ws-1 of the customer" } },
    { "not a name alone", action = { target = "file.path:a.exe" }, threat = { entities = { "file.path:a.exe" } },
      expect = { refused = "the path is not a full one" } },
    { "not a folder", action = { target = "file.path:/home/" }, threat = { entities = { "file.path:/home/" } },
      expect = { refused = "the target is not the path of one file" } },
    { "not a way round", action = { target = "file.path:/tmp/../usr/bin/ssh" },
      threat = { entities = { "file.path:/tmp/../usr/bin/ssh" } }, expect = { refused = "the path leads upwards" } },
    { "not on machines that nobody saw it on", action = { target = "file.path:/tmp/a" },
      threat = { entities = { "file.path:/tmp/a" } },
      expect = { refused = "no machine is known on which it was seen" } },
    { "not one that is not in the threat", action = { target = "file.path:/tmp/a" }, threat = {},
      expect = { refused = "the target is not in this threat" } },
    { "values of other types", action = { target = {} }, threat = { evidence = { 1, { context = 2 } } },
      expect = { refused = "the action names no target" } },
  },
}
