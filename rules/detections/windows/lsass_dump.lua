local dump = sample {
  ["event.code"] = "1", ["host.name"] = "ws-05", ["user.name"] = [[ACME\ana]],
  ["process.executable"] = [[C:\Windows\System32\rundll32.exe]],
  ["process.command_line"] = [[rundll32.exe C:\windows\System32\comsvcs.dll MiniDump 756 C:\Temp\l.dmp full]],
}

return rule {
  id       = "windows.lsass_dump",
  title    = "The memory of LSASS is written to a file",
  version  = 1,
  severity = "critical",
  type     = "device_compromise",
  mitre    = { "T1003.001" },
  match    = {
    any {
      { ["process.command_line|contains|all"] = { "comsvcs", "MiniDump" } },
      { ["process.command_line|contains|all"] = { "comsvcs", "#24" } },
      { ["process.command_line|re|i"] = [[procdump(64)?(\.exe)?.{0,200}\s[-/]ma\s.{0,200}lsass]] },
      { ["process.command_line|contains"] = { "sekurlsa::", "lsadump::" } },
      -- A file of the memory, whoever wrote it: Task Manager's is lsass.DMP.
      { ["file.path|endswith"] = ".dmp", ["file.path|contains"] = { "lsass", "dumpert" } },
    },
  },
  dedup    = { by = { "host.name" }, window = "4h" },
  context  = { "host.name", "user.name", "process.executable", "process.command_line", "file.path" },

  title_of = function(event) return "LSASS memory dump on " .. (event["host.name"] or "an unknown host") end,

  false_positives = { "Support that asks for a dump of a crashing LSASS" },
  runbook  = "Isolate the host. Take the passwords of everybody who was signed in there as known to the attacker; "
    .. "on a domain controller that is everybody. Find the file and where it went.",

  tests = {
    { "comsvcs.dll by rundll32", events = at({ 0 }, dump),
      expect = { threats = 1, severity = "critical", dedup = "ws-05", title = "LSASS memory dump on ws-05" } },
    { "procdump",
      events = at({ 0 }, dump:with { ["process.command_line"] = "procdump64.exe -accepteula -ma lsass.exe l.dmp" }),
      expect = { threats = 1 } },
    { "Task Manager's file",
      events = at({ 0 }, sample {
        ["event.code"] = "11", ["host.name"] = "ws-05", ["process.executable"] = [[C:\windows\system32\taskmgr.exe]],
        ["file.path"] = [[C:\Users\ana\AppData\Local\Temp\lsass.DMP]],
      }),
      expect = { threats = 1 } },
    { "command line and file of one host are one threat",
      events = {
        dump,
        sample { ["host.name"] = "ws-05", ["file.path"] = [[C:\Temp\lsass-comsvcs.dmp]] },
      },
      expect = { threats = 1, count = 2 } },
    { "a dump of another process does not",
      events = at({ 0 }, dump:with { ["process.command_line"] = "procdump64.exe -ma notepad.exe n.dmp" }),
      expect = { threats = 0 } },
    { "another function of comsvcs.dll does not",
      events = at({ 0 }, dump:with { ["process.command_line"] = "regsvr32 /s comsvcs.dll" }),
      expect = { threats = 0 } },
  },
}
