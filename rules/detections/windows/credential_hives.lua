local save = sample {
  ["host.name"] = "ws-05", ["user.name"] = [[ACME\ana]],
  ["process.executable"] = [[C:\windows\system32\reg.exe]],
  ["process.command_line"] = [["C:\windows\system32\reg.exe" save HKLM\sam sam]],
}

return rule {
  id       = "windows.credential_hives",
  title    = "A registry hive with credentials is saved",
  version  = 1,
  severity = "high",
  type     = "device_compromise",
  mitre    = { "T1003.002", "T1003.004" },
  match    = {
    ["process.command_line|re|i"] =
      [[\b(save|export)\s+"?(hklm|hkey_local_machine)\\(sam|security|system)\b]],
    any { ["process.executable|endswith"] = [[\reg.exe]], ["process.command_line|contains"] = "reg" },
  },
  dedup    = { by = { "host.name" }, window = "4h" },
  context  = { "host.name", "user.name", "process.executable", "process.command_line", "process.parent.executable" },

  severity_of = function(event)
    if event:is("process.parent.executable|endswith", [[\psexesvc.exe]]) then return "critical" end
  end,

  false_positives = { "A backup that saves the hives; it runs as a known account" },
  runbook  = "Find the file and where it went. Change the local passwords and those of service accounts of the host.",

  tests = {
    { "the SAM", events = at({ 0 }, save), expect = { threats = 1, severity = "high", dedup = "ws-05" } },
    { "LSA secrets, by PsExec",
      events = at({ 0 }, save:with {
        ["process.command_line"] = [["reg" save HKLM\security\policy\secrets C:\Temp\secrets]],
        ["process.parent.executable"] = [[C:\Windows\PSEXESVC.exe]],
      }),
      expect = { threats = 1, severity = "critical" } },
    { "another hive does not",
      events = at({ 0 }, save:with { ["process.command_line"] = [[reg save HKLM\software\acme acme.hiv]] }),
      expect = { threats = 0 } },
    { "a query does not",
      events = at({ 0 }, save:with { ["process.command_line"] = [[reg query HKLM\system\CurrentControlSet]] }),
      expect = { threats = 0 } },
  },
}
