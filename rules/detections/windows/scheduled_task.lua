local created = sample {
  ["event.code"] = "4698", ["host.name"] = "ws-05", ["user.name"] = "ana",
  ["winlog.event_data.TaskName"] = [[\Microsoft\Windows\Maintenance\DeviceSync]],
  ["winlog.event_data.TaskContent"] = [[<Exec><Command>C:\Windows\system32\cmd.exe</Command></Exec>]],
}

local interpreters = { "cmd.exe", "powershell", "mshta", "rundll32", "regsvr32", "wscript", "cscript" }

return rule {
  id       = "windows.scheduled_task",
  title    = "A scheduled task that runs commands was created",
  version  = 1,
  severity = "medium",
  type     = "device_compromise",
  mitre    = { "T1053.005" },
  match    = {
    any {
      {
        ["event.code"] = { 4698, 4702 },
        ["winlog.event_data.TaskContent|contains"] = interpreters,
        none { ["user.name|endswith"] = "$" },
      },
      {
        ["process.executable|endswith"] = [[\schtasks.exe]],
        ["process.command_line|re|i"] = [[[-/](create|change)\b]],
        any {
          ["process.command_line|contains"] = interpreters,
          ["process.command_line|re|i"] = [[[-/]ru\s+"?(nt authority\\)?system]],
        },
      },
    },
  },
  dedup    = { by = { "host.name" }, window = "1h" },
  context  = {
    "host.name", "user.name", "winlog.event_data.TaskName", "process.command_line", "process.parent.executable",
  },

  severity_of = function(event)
    -- A task that hides among those of Windows
    if event:is("winlog.event_data.TaskName|startswith", [[\Microsoft\Windows\]]) then return "high" end
    if event:is("process.command_line|contains", [[\Microsoft\Windows\]]) then return "high" end
  end,

  false_positives = { "Software distribution; the account that makes the task is then known" },
  runbook  = "Read what the task runs. Delete it, and look for who created it and from where.",

  tests = {
    { "a task of a person that runs a shell, among those of Windows", events = at({ 0 }, created),
      expect = { threats = 1, severity = "high", dedup = "ws-05" } },
    { "elsewhere it is less",
      events = at({ 0 }, created:with { ["winlog.event_data.TaskName"] = [[\Cleanup]] }),
      expect = { threats = 1, severity = "medium" } },
    { "schtasks as SYSTEM",
      events = at({ 0 }, sample {
        ["host.name"] = "ws-05", ["process.executable"] = [[C:\Windows\System32\schtasks.exe]],
        ["process.command_line"] = [[schtasks /Create /TN "\Sync" /SC HOURLY /TR "C:\a.exe" /RU SYSTEM]],
      }),
      expect = { threats = 1, severity = "medium" } },
    { "Windows' own tasks do not",
      events = at({ 0 }, created:with { ["user.name"] = "WS-05$" }), expect = { threats = 0 } },
    { "a task that runs a program does not",
      events = at({ 0 }, created:with {
        ["winlog.event_data.TaskContent"] = [[<Exec><Command>C:\Program Files\Acme\backup.exe</Command></Exec>]],
      }),
      expect = { threats = 0 } },
    { "a query does not",
      events = at({ 0 }, sample {
        ["host.name"] = "ws-05", ["process.executable"] = [[C:\Windows\System32\schtasks.exe]],
        ["process.command_line"] = "schtasks /query /fo LIST",
      }),
      expect = { threats = 0 } },
  },
}
