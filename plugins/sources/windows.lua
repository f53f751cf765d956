-- Windows events: Sysmon, Security, System, PowerShell and the rest. Flat, as NXLog, Winlogbeat's raw form and most
-- exports write them (Channel, EventID and the event's data at the top), or nested, as EVTX converters do
-- (Event.System, Event.EventData). For nested records that are not sent to this source by name, windows_evtx is chosen:
-- it also knows their identity.

local windows = require "sources.shared.windows"

return source {
  id      = "windows",
  accepts = { ["Channel|exists"] = true, ["EventID|exists"] = true },
  route   = { product = "windows" },
  time    = {
    "@timestamp", "TimeCreated", "Event.System.TimeCreated.#attributes.SystemTime", "UtcTime", format = "any",
  },
  fields  = {
    ["event.id"]                          = { join = { "Hostname", "Channel", "RecordNumber" } },
    ["event.code"]                        = { "EventID", "Event.System.EventID", as = "string" },
    ["event.provider"]                    = { "SourceName", "ProviderName", "Event.System.Provider.#attributes.Name" },
    ["winlog.channel"]                    = { "Channel", "Event.System.Channel" },
    ["winlog.record_id"]                  = {
      "RecordNumber", "EventRecordID", "Event.System.EventRecordID", as = "string",
    },
    ["host.name"]                         = { "Hostname", "Computer", "ComputerName", "Event.System.Computer" },
    ["user.name"]                         = {
      "SubjectUserName", "User", "AccountName", "Event.EventData.SubjectUserName", "Event.EventData.User",
    },
    ["user.domain"]                       = { "SubjectDomainName", "Event.EventData.SubjectDomainName" },
    ["user.id"]                           = { "SubjectUserSid", "Event.EventData.SubjectUserSid" },
    ["user.target.name"]                  = { "TargetUserName", "Event.EventData.TargetUserName" },
    ["user.target.domain"]                = { "TargetDomainName", "Event.EventData.TargetDomainName" },
    ["user.target.id"]                    = {
      "TargetUserSid", "TargetSid", "Event.EventData.TargetUserSid", "Event.EventData.TargetSid",
    },
    ["process.executable"]                = {
      "Image", "NewProcessName", "SourceImage", "ProcessName", "Application", "Event.EventData.Image",
      "Event.EventData.NewProcessName", "Event.EventData.SourceImage", "Event.EventData.ProcessName",
      "Event.EventData.Application",
    },
    ["process.command_line"]              = { "CommandLine", "Event.EventData.CommandLine" },
    ["process.pid"]                       = {
      "NewProcessId", "ProcessId", "SourceProcessId", "Event.EventData.NewProcessId", "Event.EventData.ProcessId",
      "Event.EventData.SourceProcessId",
    },
    ["process.entity_id"]                 = {
      "ProcessGuid", "SourceProcessGUID", "Event.EventData.ProcessGuid", "Event.EventData.SourceProcessGUID",
    },
    ["process.working_directory"]         = { "CurrentDirectory", "Event.EventData.CurrentDirectory" },
    ["process.parent.executable"]         = {
      "ParentImage", "ParentProcessName", "Event.EventData.ParentImage", "Event.EventData.ParentProcessName",
    },
    ["process.parent.command_line"]       = { "ParentCommandLine", "Event.EventData.ParentCommandLine" },
    ["process.parent.entity_id"]          = { "ParentProcessGuid", "Event.EventData.ParentProcessGuid" },
    ["process.pe.original_file_name"]     = { "OriginalFileName", "Event.EventData.OriginalFileName" },
    ["source.ip"]                         = {
      "SourceIp", "SourceAddress", "Event.EventData.SourceIp", "Event.EventData.SourceAddress", as = "ip",
    },
    ["source.port"]                       = { "SourcePort", "Event.EventData.SourcePort" },
    ["destination.ip"]                    = {
      "DestinationIp", "DestAddress", "Event.EventData.DestinationIp", "Event.EventData.DestAddress", as = "ip",
    },
    ["destination.port"]                  = {
      "DestinationPort", "DestPort", "Event.EventData.DestinationPort", "Event.EventData.DestPort",
    },
    ["destination.domain"]                = { "DestinationHostname", "Event.EventData.DestinationHostname" },
    ["network.transport"]                 = { "Protocol", "Event.EventData.Protocol" },
    ["dns.question.name"]                 = { "QueryName", "Event.EventData.QueryName" },
    ["file.path"]                         = { "TargetFilename", "Event.EventData.TargetFilename" },
    ["dll.path"]                          = { "ImageLoaded", "Event.EventData.ImageLoaded" },
    ["registry.path"]                     = { "TargetObject", "Event.EventData.TargetObject" },
    ["registry.data.strings"]             = { "Details", "Event.EventData.Details" },
    ["powershell.file.script_block_text"] = { "ScriptBlockText", "Event.EventData.ScriptBlockText" },
    ["winlog.logon.type"]                 = { "LogonType", "Event.EventData.LogonType", as = "string" },
    ["winlog.event_data.TargetImage"]     = { "TargetImage", "Event.EventData.TargetImage" },
    ["winlog.event_data.GrantedAccess"]   = { "GrantedAccess", "Event.EventData.GrantedAccess" },
    ["winlog.event_data.CallTrace"]       = { "CallTrace", "Event.EventData.CallTrace" },
    ["winlog.event_data.TaskName"]        = { "TaskName", "Event.EventData.TaskName" },
    ["winlog.event_data.TaskContent"]     = { "TaskContent", "Event.EventData.TaskContent" },
    ["service.name"]                      = { "ServiceName", "Event.EventData.ServiceName" },
    ["winlog.event_data.ServiceFileName"] = {
      "ServiceFileName", "ImagePath", "Event.EventData.ServiceFileName", "Event.EventData.ImagePath",
    },
    ["winlog.event_data.IpAddress"]       = { "IpAddress", "Event.EventData.IpAddress" },
    ["winlog.event_data.IpPort"]          = { "IpPort", "Event.EventData.IpPort" },
    ["winlog.event_data.WorkstationName"] = {
      "WorkstationName", "Workstation", "Event.EventData.WorkstationName", "Event.EventData.Workstation",
    },
    ["winlog.event_data.Status"]          = { "Status", "Event.EventData.Status" },
  },
  const   = { ["event.module"] = "windows" },
  when    = { ["event.code"] = windows.codes },
  fix     = windows.name_it,
  tests   = {
    { "a process creation of Sysmon, flat",
      raw = {
        Channel = "Microsoft-Windows-Sysmon/Operational", EventID = 1, SourceName = "Microsoft-Windows-Sysmon",
        Hostname = "ws-05", RecordNumber = 77, ["@timestamp"] = "2026-01-02T03:04:05.678Z", User = [[ACME\ana]],
        Image = [[C:\Windows\System32\cmd.exe]], CommandLine = "cmd /c whoami", ProcessId = "4242",
        ParentImage = [[C:\Windows\explorer.exe]],
      },
      expect = {
        ["event.code"] = "1", ["event.id"] = "ws-05:Microsoft-Windows-Sysmon/Operational:77",
        ["event.provider"] = "Microsoft-Windows-Sysmon", ["host.name"] = "ws-05", ["user.name"] = [[ACME\ana]],
        ["process.executable"] = [[C:\Windows\System32\cmd.exe]], ["process.command_line"] = "cmd /c whoami",
        ["process.parent.executable"] = [[C:\Windows\explorer.exe]], ["process.pid"] = "4242",
        ["event.module"] = "windows",
      } },
    { "without a record number there is no identity",
      raw = { Channel = "Security", EventID = 4688, Hostname = "ws-05", NewProcessName = [[C:\a.exe]] },
      expect = { ["event.id"] = null, ["process.executable"] = [[C:\a.exe]], ["event.code"] = "4688" } },
    { "a failed sign-in names who tried and from where",
      raw = {
        Channel = "Security", EventID = 4625, Hostname = "dc-01", SubjectUserName = "-", TargetUserName = "ana",
        TargetDomainName = "ACME", IpAddress = "::ffff:203.0.113.9", IpPort = "50000", LogonType = "3",
        Status = "0xc000006d",
      },
      expect = {
        ["event.action"] = "logon-failed", ["event.category"] = "authentication", ["event.outcome"] = "failure",
        ["user.name"] = "ana", ["user.domain"] = "ACME", ["source.ip"] = "203.0.113.9",
        ["winlog.logon.type"] = "3",
      } },
    { "a network connection of Sysmon",
      raw = {
        Channel = "Microsoft-Windows-Sysmon/Operational", EventID = 3, Hostname = "ws-05", Image = [[C:\a.exe]],
        SourceIp = "10.0.0.5", SourcePort = "50000", DestinationIp = "203.0.113.9", DestinationPort = "443",
        Protocol = "tcp",
      },
      expect = {
        ["source.ip"] = "10.0.0.5", ["destination.ip"] = "203.0.113.9", ["destination.port"] = "443",
        ["network.transport"] = "tcp", ["process.executable"] = [[C:\a.exe]],
      } },
    { "a registry value and a file of Sysmon",
      raw = {
        Channel = "Microsoft-Windows-Sysmon/Operational", EventID = 13, Image = [[C:\a.exe]],
        TargetObject = [[HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Run\a]], Details = [[C:\a.exe]],
        TargetFilename = [[C:\b.exe]],
      },
      expect = {
        ["registry.path"] = [[HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Run\a]],
        ["registry.data.strings"] = [[C:\a.exe]], ["file.path"] = [[C:\b.exe]],
      } },
    { "nested records work when they are sent to this source by name",
      raw = { Event = {
        System = { Channel = "Security", EventID = 4625, Computer = "dc-01" },
        EventData = { TargetUserName = "ana", IpAddress = "203.0.113.9" },
      } },
      expect = {
        ["event.code"] = "4625", ["event.outcome"] = "failure", ["user.name"] = "ana", ["source.ip"] = "203.0.113.9",
      } },
    { "a service, a task and a script block",
      raw = {
        Channel = "System", EventID = 7045, ServiceName = "PSEXESVC", ImagePath = [[%SystemRoot%\PSEXESVC.exe]],
        TaskName = [[\Backup]], ScriptBlockText = "Get-Date",
      },
      expect = {
        ["event.action"] = "service-installed", ["service.name"] = "PSEXESVC",
        ["winlog.event_data.ServiceFileName"] = [[%SystemRoot%\PSEXESVC.exe]],
        ["winlog.event_data.TaskName"] = [[\Backup]], ["powershell.file.script_block_text"] = "Get-Date",
      } },
  },
}
