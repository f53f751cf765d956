local service = sample {
  ["event.code"] = "7045", ["host.name"] = "ws-05", ["service.name"] = "PSEXESVC",
  ["winlog.event_data.ServiceFileName"] = [[%SystemRoot%\PSEXESVC.exe]],
}

return rule {
  id       = "windows.service_installed",
  title    = "A service was installed that runs commands or came over the network",
  version  = 1,
  severity = "high",
  type     = "device_compromise",
  mitre    = { "T1543.003", "T1569.002" },
  source   = { product = "windows" },
  match    = {
    ["event.code"] = { 7045, 4697 },
    any {
      -- Remote execution tools
      ["service.name"] = { "PSEXESVC", "PAExec*", "RemComSvc", "csexecsvc", "winexesvc" },
      ["winlog.event_data.ServiceFileName|endswith"] = { [[\PSEXESVC.exe]], [[\RemComSvc.exe]] },
      -- A command line in place of a program
      ["winlog.event_data.ServiceFileName|contains"] = {
        "cmd.exe", "%COMSPEC%", "powershell", "rundll32", "mshta", [[\127.0.0.1\]], "ADMIN$", [[\Temp\]],
        [[\Users\Public\]], [[\AppData\]], [[\ProgramData\]],
      },
      -- A program that nobody installed into the system's own folder
      ["winlog.event_data.ServiceFileName|re|i"] =
        [[^"?[a-z]:\\windows\\system32\\(?!svchost)[a-z0-9_]{1,40}\.exe"?\s*$]],
    },
    none {
      ["winlog.event_data.ServiceFileName|startswith"] = {
        [[C:\Program Files\]], [["C:\Program Files\]], [[C:\ProgramData\Microsoft\Windows Defender\]],
        [["C:\ProgramData\Microsoft\Windows Defender\]],
      },
    },
  },
  dedup    = { by = { "host.name", "service.name" }, window = "4h" },
  context  = { "host.name", "user.name", "service.name", "winlog.event_data.ServiceFileName", "event.action" },

  title_of = function(event)
    return ("Service %s was installed on %s"):format(event["service.name"] or "?", event["host.name"] or "?")
  end,

  false_positives = { "Administrators who use PsExec; updates of drivers" },
  runbook  = "Ask who installed it. Look at sign-ins of type 3 to the host shortly before, and stop the service.",

  tests = {
    { "PsExec", events = at({ 0 }, service),
      expect = { threats = 1, severity = "high", title = "Service PSEXESVC was installed on ws-05" } },
    { "seen by System and by Security it is one threat",
      events = { service, service:with { ["event.code"] = "4697" } }, expect = { threats = 1, count = 2 } },
    { "a program dropped into System32",
      events = at({ 0 }, service:with {
        ["service.name"] = "Updater", ["winlog.event_data.ServiceFileName"] = [[C:\Windows\System32\GruntHTTP2.exe]],
      }),
      expect = { threats = 1 } },
    { "a command line",
      events = at({ 0 }, service:with {
        ["service.name"] = "x", ["winlog.event_data.ServiceFileName"] = [[%COMSPEC% /C echo x ^> \\127.0.0.1\ADMIN$\o]],
      }),
      expect = { threats = 1 } },
    { "a program below Program Files does not",
      events = at({ 0 }, service:with {
        ["service.name"] = "Backup", ["winlog.event_data.ServiceFileName"] = [["C:\Program Files\Acme\backup.exe" -s]],
      }),
      expect = { threats = 0 } },
    { "a service of svchost does not",
      events = at({ 0 }, service:with {
        ["service.name"] = "wuauserv",
        ["winlog.event_data.ServiceFileName"] = [[C:\Windows\System32\svchost.exe -k netsvcs]],
      }),
      expect = { threats = 0 } },
  },
}
