local entry = sample {
  ["event.code"] = "13", ["host.name"] = "ws-05", ["process.executable"] = [[C:\Windows\System32\reg.exe]],
  ["registry.path"] = [[HKU\S-1-5-21-1\SOFTWARE\Microsoft\Windows\CurrentVersion\Run\Updater]],
  ["registry.data.strings"] = [[powershell.exe -w hidden -c iex(gp HKCU:\x y)]],
}

return rule {
  id       = "windows.run_key",
  title    = "A command was put where Windows starts it at sign-in",
  version  = 1,
  severity = "medium",
  type     = "device_compromise",
  mitre    = { "T1547.001" },
  match    = {
    ["registry.path|contains"] = {
      [[\CurrentVersion\Run\]], [[\CurrentVersion\RunOnce\]], [[\CurrentVersion\Policies\Explorer\Run\]],
    },
    any {
      ["registry.data.strings|contains"] = {
        "powershell", "cmd.exe /", "cmd /c", "mshta", "rundll32", "regsvr32", "wscript", "cscript", [[\Temp\]],
        [[\Users\Public\]], [[\ProgramData\]], "http://", "https://",
      },
      ["process.executable|endswith"] = { [[\powershell.exe]], [[\reg.exe]], [[\wscript.exe]], [[\mshta.exe]] },
    },
  },
  dedup    = { by = { "host.name", "registry.path" }, window = "12h" },
  context  = { "host.name", "user.name", "process.executable", "registry.path", "registry.data.strings" },

  title_of = function(event) return "Start-up entry on " .. (event["host.name"] or "an unknown host") end,
  severity_of = function(event)
    local remote = { "powershell", "mshta", "http://", "https://" }
    if event:is("registry.data.strings|contains", remote) then return "high" end
  end,

  false_positives = { "Installers that start once after a restart" },
  runbook  = "Read the command. Remove the entry; look for the process that wrote it.",

  tests = {
    { "a hidden PowerShell", events = at({ 0 }, entry),
      expect = { threats = 1, severity = "high", title = "Start-up entry on ws-05" } },
    { "a program by reg.exe is less",
      events = at({ 0 }, entry:with { ["registry.data.strings"] = [[C:\Acme\tray.exe]] }),
      expect = { threats = 1, severity = "medium" } },
    { "an installer's program does not",
      events = at({ 0 }, entry:with {
        ["registry.data.strings"] = [["C:\Program Files\Acme\tray.exe"]],
        ["process.executable"] = [[C:\Windows\System32\msiexec.exe]],
      }),
      expect = { threats = 0 } },
    { "another key does not",
      events = at({ 0 }, entry:with { ["registry.path"] = [[HKLM\SOFTWARE\Acme\Run time]] }),
      expect = { threats = 0 } },
  },
}
