-- Windows events as EVTX converters write them: Event.System and Event.EventData, with "#attributes" objects. The same
-- fields as source "windows", and the identity that only this form can be joined from.

local windows = require "sources.shared.windows"

return source {
  id      = "windows_evtx",
  accepts = {
    ["Event.System.Channel|exists"] = true, ["Event.System.EventID|exists"] = true,
    ["Event.System.Computer|exists"] = true,
  },
  route   = { product = "windows" },
  time    = { "Event.System.TimeCreated.#attributes.SystemTime", "@timestamp", format = "any" },
  fields  = {
    ["event.id"]                          = {
      join = { "Event.System.Computer", "Event.System.Channel", "Event.System.EventRecordID" },
    },
    ["event.code"]                        = { "Event.System.EventID", as = "string" },
    ["event.provider"]                    = "Event.System.Provider.#attributes.Name",
    ["winlog.channel"]                    = "Event.System.Channel",
    ["winlog.record_id"]                  = { "Event.System.EventRecordID", as = "string" },
    ["host.name"]                         = "Event.System.Computer",
    ["user.name"]                         = { "Event.EventData.SubjectUserName", "Event.EventData.User" },
    ["user.domain"]                       = "Event.EventData.SubjectDomainName",
    ["user.id"]                           = "Event.EventData.SubjectUserSid",
    ["user.target.name"]                  = "Event.EventData.TargetUserName",
    ["user.target.domain"]                = "Event.EventData.TargetDomainName",
    ["user.target.id"]                    = { "Event.EventData.TargetUserSid", "Event.EventData.TargetSid" },
    ["process.executable"]                = {
      "Event.EventData.Image", "Event.EventData.NewProcessName", "Event.EventData.SourceImage",
      "Event.EventData.ProcessName", "Event.EventData.Application",
    },
    ["process.command_line"]              = "Event.EventData.CommandLine",
    ["process.pid"]                       = {
      "Event.EventData.NewProcessId", "Event.EventData.ProcessId", "Event.EventData.SourceProcessId",
    },
    ["process.entity_id"]                 = { "Event.EventData.ProcessGuid", "Event.EventData.SourceProcessGUID" },
    ["process.working_directory"]         = "Event.EventData.CurrentDirectory",
    ["process.parent.executable"]         = { "Event.EventData.ParentImage", "Event.EventData.ParentProcessName" },
    ["process.parent.command_line"]       = "Event.EventData.ParentCommandLine",
    ["process.parent.entity_id"]          = "Event.EventData.ParentProcessGuid",
    ["process.pe.original_file_name"]     = "Event.EventData.OriginalFileName",
    ["source.ip"]                         = { "Event.EventData.SourceIp", "Event.EventData.SourceAddress", as = "ip" },
    ["source.port"]                       = "Event.EventData.SourcePort",
    ["destination.ip"]                    = {
      "Event.EventData.DestinationIp", "Event.EventData.DestAddress", as = "ip",
    },
    ["destination.port"]                  = { "Event.EventData.DestinationPort", "Event.EventData.DestPort" },
    ["destination.domain"]                = "Event.EventData.DestinationHostname",
    ["network.transport"]                 = "Event.EventData.Protocol",
    ["dns.question.name"]                 = "Event.EventData.QueryName",
    ["file.path"]                         = "Event.EventData.TargetFilename",
    ["dll.path"]                          = "Event.EventData.ImageLoaded",
    ["registry.path"]                     = "Event.EventData.TargetObject",
    ["registry.data.strings"]             = "Event.EventData.Details",
    ["powershell.file.script_block_text"] = "Event.EventData.ScriptBlockText",
    ["winlog.logon.type"]                 = { "Event.EventData.LogonType", as = "string" },
    ["winlog.event_data.TargetImage"]     = "Event.EventData.TargetImage",
    ["winlog.event_data.GrantedAccess"]   = "Event.EventData.GrantedAccess",
    ["winlog.event_data.CallTrace"]       = "Event.EventData.CallTrace",
    ["winlog.event_data.TaskName"]        = "Event.EventData.TaskName",
    ["winlog.event_data.TaskContent"]     = "Event.EventData.TaskContent",
    ["service.name"]                      = "Event.EventData.ServiceName",
    ["winlog.event_data.ServiceFileName"] = { "Event.EventData.ServiceFileName", "Event.EventData.ImagePath" },
    ["winlog.event_data.IpAddress"]       = "Event.EventData.IpAddress",
    ["winlog.event_data.IpPort"]          = "Event.EventData.IpPort",
    ["winlog.event_data.WorkstationName"] = { "Event.EventData.WorkstationName", "Event.EventData.Workstation" },
    ["winlog.event_data.Status"]          = "Event.EventData.Status",
  },
  const   = { ["event.module"] = "windows" },
  when    = { ["event.code"] = windows.codes },
  fix     = windows.name_it,
  tests   = {
    { "a process creation of Sysmon",
      raw = { Event = {
        System = {
          Provider = { ["#attributes"] = { Name = "Microsoft-Windows-Sysmon" } }, EventID = 1, EventRecordID = 77,
          TimeCreated = { ["#attributes"] = { SystemTime = "2026-01-02T03:04:05.6789012Z" } },
          Channel = "Microsoft-Windows-Sysmon/Operational", Computer = "ws-05.acme.example",
        },
        EventData = {
          Image = [[C:\Windows\System32\cmd.exe]], CommandLine = "cmd /c whoami", User = [[ACME\ana]],
          ParentImage = [[C:\Windows\explorer.exe]],
        },
      } },
      expect = {
        ["event.code"] = "1", ["event.id"] = "ws-05.acme.example:Microsoft-Windows-Sysmon/Operational:77",
        ["event.provider"] = "Microsoft-Windows-Sysmon", ["host.name"] = "ws-05.acme.example",
        ["process.executable"] = [[C:\Windows\System32\cmd.exe]], ["process.command_line"] = "cmd /c whoami",
        ["user.name"] = [[ACME\ana]], ["process.parent.executable"] = [[C:\Windows\explorer.exe]],
      } },
    { "a successful sign-in",
      raw = { Event = {
        System = { Channel = "Security", EventID = 4624, Computer = "dc-01" },
        EventData = {
          SubjectUserName = "DC-01$", TargetUserName = "ana", TargetDomainName = "ACME", LogonType = "10",
          IpAddress = "203.0.113.9",
        },
      } },
      expect = {
        ["event.action"] = "logged-in", ["event.outcome"] = "success", ["user.name"] = "ana",
        ["source.ip"] = "203.0.113.9", ["winlog.logon.type"] = "10",
      } },
    { "an access to another process",
      raw = { Event = {
        System = { Channel = "Microsoft-Windows-Sysmon/Operational", EventID = 10, Computer = "dc-01" },
        EventData = {
          SourceImage = [[C:\tools\dump.exe]], TargetImage = [[C:\Windows\System32\lsass.exe]],
          GrantedAccess = "0x1fffff",
        },
      } },
      expect = {
        ["process.executable"] = [[C:\tools\dump.exe]], ["winlog.event_data.GrantedAccess"] = "0x1fffff",
        ["winlog.event_data.TargetImage"] = [[C:\Windows\System32\lsass.exe]],
      } },
    { "a connection of the Windows firewall",
      raw = { Event = {
        System = { Channel = "Security", EventID = 5156, Computer = "fs-01" },
        EventData = { SourceAddress = "10.10.2.20", DestAddress = "10.10.2.10", DestPort = "389" },
      } },
      expect = { ["source.ip"] = "10.10.2.20", ["destination.ip"] = "10.10.2.10", ["destination.port"] = "389" } },
  },
}
