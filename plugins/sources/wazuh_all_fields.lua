-- The {"all_fields": …} wrapper around a Wazuh alert, recognised by itself and with an identity of its own, so that
-- a record that is sent twice counts once.
return source {
  id      = "wazuh_all_fields",
  accepts = { ["all_fields.rule.level|exists"] = true, ["all_fields.agent.id|exists"] = true },
  route   = { product = "wazuh" },
  time    = { "all_fields.timestamp", "all_fields.@timestamp", format = "any" },
  fields  = {
    ["event.id"]             = { join = { "all_fields.manager.name", "all_fields.id" } },
    ["event.code"]           = { "all_fields.rule.id", as = "string" },
    ["event.severity"]       = { "all_fields.rule.level", as = "integer" },
    ["event.reason"]         = "all_fields.rule.description",
    ["event.original"]       = "all_fields.full_log",
    ["rule.name"]            = "all_fields.rule.description",
    ["rule.level"]           = "all_fields.rule.level",
    ["rule.category"]        = "all_fields.rule.groups",
    ["threat.technique.id"]  = "all_fields.rule.mitre.id",
    ["agent.name"]           = "all_fields.agent.name",
    ["host.name"]            = "all_fields.agent.name",
    ["host.id"]              = { "all_fields.agent.id", as = "string" },
    ["host.ip"]              = "all_fields.agent.ip",
    ["observer.name"]        = "all_fields.manager.name",
    ["log.file.path"]        = "all_fields.location",
    ["source.ip"]            = { "all_fields.data.srcip", "all_fields.data.src_ip" },
    ["source.port"]          = { "all_fields.data.srcport", "all_fields.data.src_port" },
    ["destination.ip"]       = { "all_fields.data.dstip", "all_fields.data.dest_ip" },
    ["destination.port"]     = { "all_fields.data.dstport", "all_fields.data.dest_port" },
    ["user.name"]            = { "all_fields.data.dstuser", "all_fields.data.srcuser" },
    ["url.original"]         = "all_fields.data.url",
    ["process.executable"]   = "all_fields.data.win.eventdata.image",
    ["process.command_line"] = { "all_fields.data.win.eventdata.commandLine", "all_fields.data.command" },
    ["file.path"]            = "all_fields.syscheck.path",
  },
  const   = { ["event.kind"] = "alert", ["event.module"] = "wazuh" },
  when    = { ["rule.category"] = { "authentication_failed", "authentication_failures", "authentication_success" } },
  fix     = function(event)
    event["event.category"] = "authentication"
    if event:is("rule.category", "authentication_success") then
      event["event.outcome"] = "success"
    else
      event["event.outcome"] = "failure"
    end
  end,
  tests   = {
    { "a wrapped alert",
      raw = { all_fields = {
        timestamp = "2026-01-02T03:04:05.678+0000",
        rule = { level = 10, description = "Multiple authentication failures.", id = "5720",
                 groups = { "syslog", "sshd", "authentication_failures" } },
        agent = { id = "003", name = "web-01" }, manager = { name = "siem" }, id = "1767323045.49033",
        data = { srcip = "203.0.113.9", dstuser = "root" },
      } },
      expect = {
        ["event.id"] = "siem:1767323045.49033", ["event.code"] = "5720", ["rule.level"] = 10,
        ["source.ip"] = "203.0.113.9", ["user.name"] = "root", ["event.outcome"] = "failure",
        ["event.category"] = "authentication",
      } },
  },
}
