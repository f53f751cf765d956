local access = sample {
  ["event.code"] = "10", ["winlog.channel"] = "Microsoft-Windows-Sysmon/Operational", ["host.name"] = "ws-05",
  ["process.executable"] = [[C:\Users\ana\Desktop\tool.exe]],
  ["winlog.event_data.TargetImage"] = [[C:\Windows\System32\lsass.exe]],
  ["winlog.event_data.GrantedAccess"] = "0x1fffff",
}

return rule {
  id       = "windows.lsass_access",
  title    = "A process opened LSASS to read its memory",
  version  = 1,
  severity = "high",
  type     = "device_compromise",
  mitre    = { "T1003.001" },
  source   = { product = "windows" },
  match    = {
    ["event.code"] = 10,
    ["winlog.channel|contains"] = "sysmon",
    ["winlog.event_data.TargetImage|endswith"] = [[\lsass.exe]],
    -- Everything that holds PROCESS_VM_READ together with a right to look the process up, or all rights.
    ["winlog.event_data.GrantedAccess"] = {
      "0x1010", "0x1038", "0x1410", "0x1418", "0x1438", "0x143a", "0x1f0fff", "0x1f1fff", "0x1f2fff", "0x1f3fff",
      "0x1fffff", "0x40", "0xdfd",
    },
    none {
      ["process.executable|endswith"] = {
        [[\Windows\System32\svchost.exe]], [[\Windows\System32\csrss.exe]], [[\Windows\System32\services.exe]],
        [[\Windows\System32\wininit.exe]], [[\Windows\System32\lsass.exe]], [[\MsMpEng.exe]], [[\MsSense.exe]],
        [[\SenseIR.exe]],
      },
      ["process.executable|startswith"] = [[C:\Program Files\]],
    },
  },
  dedup    = { by = { "host.name", "process.executable" }, window = "4h" },
  context  = {
    "host.name", "process.executable", "process.pid", "user.name", "winlog.event_data.TargetImage",
    "winlog.event_data.GrantedAccess", "winlog.event_data.CallTrace",
  },

  title_of = function(event)
    return ("%s reads the memory of LSASS on %s"):format(event["process.executable"] or "?", event["host.name"] or "?")
  end,
  severity_of = function(event)
    -- A frame that no module owns is code that was put into the process.
    if event:is("winlog.event_data.CallTrace|contains", "UNKNOWN") then return "critical" end
  end,

  false_positives = { "Protection software that is installed outside Program Files" },
  runbook  = "Isolate the host. Take the passwords of everybody who was signed in there as known to the attacker.",

  tests = {
    { "all rights on LSASS fire", events = at({ 0 }, access),
      expect = { threats = 1, severity = "high", type = "device_compromise" } },
    { "injected code is worse",
      events = at({ 0 }, access:with { ["winlog.event_data.CallTrace"] = "ntdll.dll+9d4c4|UNKNOWN(00000194)" }),
      expect = { threats = 1, severity = "critical" } },
    { "many accesses of one tool are one threat", events = at({ 0, 1, 2 }, access),
      expect = { threats = 1, count = 3 } },
    { "asking only for the name of the process does not",
      events = at({ 0 }, access:with { ["winlog.event_data.GrantedAccess"] = "0x1000" }), expect = { threats = 0 } },
    { "the system's own services do not",
      events = at({ 0 }, access:with {
        ["process.executable"] = [[C:\Windows\System32\svchost.exe]], ["winlog.event_data.GrantedAccess"] = "0x1010",
      }),
      expect = { threats = 0 } },
    { "Defender does not",
      events = at({ 0 }, access:with {
        ["process.executable"] = [[C:\ProgramData\Microsoft\Windows Defender\Platform\4.18.2301.6-0\MsMpEng.exe]],
        ["winlog.event_data.GrantedAccess"] = "0x1410",
      }),
      expect = { threats = 0 } },
    { "another target does not",
      events = at({ 0 }, access:with { ["winlog.event_data.TargetImage"] = [[C:\Windows\explorer.exe]] }),
      expect = { threats = 0 } },
    { "the record as Sysmon writes it",
      events = at({ 0 }, sample { source = "windows", raw = {
        Channel = "Microsoft-Windows-Sysmon/Operational", EventID = 10, Hostname = "ws-05",
        SourceImage = [[C:\Users\ana\Desktop\tool.exe]], TargetImage = [[C:\Windows\system32\lsass.exe]],
        GrantedAccess = "0x1FFFFF",
      } }),
      expect = { threats = 1 } },
  },
}
