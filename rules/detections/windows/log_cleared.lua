local cleared = sample {
  ["event.code"] = "1102", ["winlog.channel"] = "Security", ["host.name"] = "dc-01", ["user.name"] = "ana",
}

return rule {
  id       = "windows.log_cleared",
  title    = "An event log was cleared",
  version  = 1,
  severity = "high",
  type     = "anomaly_detection",
  mitre    = { "T1070.001" },
  source   = { product = "windows" },
  match    = {
    any {
      { ["event.code"] = 1102, ["winlog.channel"] = "Security" },
      { ["event.code"] = 104, ["winlog.channel"] = "System" },
      {
        ["process.executable|endswith"] = [[\wevtutil.exe]],
        ["process.command_line|re|i"] = [[\s(cl|clear-log)\s]],
      },
    },
  },
  dedup    = { by = { "host.name" }, window = "1h" },
  context  = { "host.name", "user.name", "winlog.channel", "process.command_line", "event.code" },

  title_of = function(event) return "Event log cleared on " .. (event["host.name"] or "an unknown host") end,

  false_positives = { "A new machine that is made from an image" },
  runbook  = "Ask who did it and why. What happened before is in the copy that was forwarded.",

  tests = {
    { "the security log", events = at({ 0 }, cleared),
      expect = { threats = 1, severity = "high", dedup = "dc-01", title = "Event log cleared on dc-01" } },
    { "several logs at once are one threat",
      events = { cleared, cleared:with { ["event.code"] = "104", ["winlog.channel"] = "System" } },
      expect = { threats = 1, count = 2 } },
    { "wevtutil",
      events = at({ 0 }, sample {
        ["host.name"] = "dc-01", ["process.executable"] = [[C:\Windows\System32\wevtutil.exe]],
        ["process.command_line"] = "wevtutil cl Application",
      }),
      expect = { threats = 1 } },
    { "the same number of another log does not",
      events = at({ 0 }, cleared:with { ["winlog.channel"] = "Application" }), expect = { threats = 0 } },
    { "reading a log does not",
      events = at({ 0 }, sample {
        ["host.name"] = "dc-01", ["process.executable"] = [[C:\Windows\System32\wevtutil.exe]],
        ["process.command_line"] = "wevtutil qe Security /c:5",
      }),
      expect = { threats = 0 } },
  },
}
