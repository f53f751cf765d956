-- Alerts of Wazuh, as its integrator and its alerts.json write them, or inside the {"all_fields": …} wrapper of
-- webhook senders. Wazuh's own names (rule.level, agent.name, data.srcip …) stay usable beside the ECS ones.
return source {
  id      = "wazuh",
  accepts = { ["rule.level|exists"] = true, ["agent.id|exists"] = true, ["manager.name|exists"] = true },
  route   = { product = "wazuh" },
  time    = { "timestamp", "all_fields.timestamp", "@timestamp", format = "any" },
  fields  = {
    ["event.id"]             = { join = { "manager.name", "id" } },
    ["event.code"]           = { "rule.id", "all_fields.rule.id", as = "string" },
    ["event.severity"]       = { "rule.level", "all_fields.rule.level", as = "integer" },
    ["event.reason"]         = { "rule.description", "all_fields.rule.description" },
    ["event.original"]       = { "full_log", "all_fields.full_log" },
    ["rule.name"]            = { "rule.description", "all_fields.rule.description" },
    ["rule.category"]        = { "rule.groups", "all_fields.rule.groups" },
    ["threat.technique.id"]  = { "rule.mitre.id", "all_fields.rule.mitre.id" },
    ["host.name"]            = { "agent.name", "all_fields.agent.name" },
    ["host.id"]              = { "agent.id", "all_fields.agent.id", as = "string" },
    ["host.ip"]              = { "agent.ip", "all_fields.agent.ip" },
    ["observer.name"]        = { "manager.name", "all_fields.manager.name" },
    ["log.file.path"]        = { "location", "all_fields.location" },
    ["source.ip"]            = {
      "data.srcip", "data.src_ip", "data.win.eventdata.ipAddress", "all_fields.data.srcip", "all_fields.data.src_ip",
    },
    ["source.port"]          = { "data.srcport", "data.src_port", "all_fields.data.srcport" },
    ["destination.ip"]       = { "data.dstip", "data.dest_ip", "all_fields.data.dstip", "all_fields.data.dest_ip" },
    ["destination.port"]     = { "data.dstport", "data.dest_port", "all_fields.data.dstport" },
    ["user.name"]            = {
      "data.dstuser", "data.srcuser", "data.win.eventdata.targetUserName", "all_fields.data.dstuser",
      "all_fields.data.srcuser",
    },
    ["url.original"]         = { "data.url", "all_fields.data.url" },
    ["process.executable"]   = { "data.win.eventdata.image", "all_fields.data.win.eventdata.image" },
    ["process.command_line"] = { "data.win.eventdata.commandLine", "data.command", "all_fields.data.command" },
    ["file.path"]            = { "syscheck.path", "all_fields.syscheck.path" },
  },
  const   = { ["event.kind"] = "alert", ["event.module"] = "wazuh" },
  -- Wazuh says what happened in the groups of its rule; only the sign-in ones need more than a rename.
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
    { "a failed sign-in over ssh",
      raw = {
        timestamp = "2026-01-02T03:04:05.678+0000",
        rule = {
          level = 5, description = "sshd: Attempt to login using a non-existent user", id = "5710", firedtimes = 1,
          mitre = { id = { "T1110.001", "T1021.004" }, tactic = { "Credential Access" } },
          groups = { "syslog", "sshd", "authentication_failed", "invalid_login" },
        },
        agent = { id = "003", name = "web-01", ip = "10.0.0.5" },
        manager = { name = "siem" }, id = "1767323045.49031", decoder = { name = "sshd" },
        full_log = "Jan  2 03:04:05 web-01 sshd[2]: Invalid user oracle from 203.0.113.9 port 50442",
        data = { srcip = "203.0.113.9", srcport = "50442", srcuser = "oracle" }, location = "/var/log/auth.log",
      },
      expect = {
        ["event.id"] = "siem:1767323045.49031", ["event.code"] = "5710", ["event.severity"] = 5,
        ["source.ip"] = "203.0.113.9", ["user.name"] = "oracle", ["host.name"] = "web-01",
        ["event.category"] = "authentication", ["event.outcome"] = "failure", ["event.kind"] = "alert",
        ["threat.technique.id"] = { "T1110.001", "T1021.004" }, ["agent.name"] = "web-01",
      } },
    { "the same inside all_fields",
      raw = { all_fields = {
        timestamp = "2026-01-02T03:04:05.678+0000",
        rule = { level = 3, description = "sshd: authentication success.", id = "5715",
                 groups = { "syslog", "sshd", "authentication_success" } },
        agent = { id = "003", name = "web-01" }, manager = { name = "siem" }, id = "1767323045.49032",
        data = { srcip = "203.0.113.9", dstuser = "ana" },
      } },
      expect = {
        ["event.code"] = "5715", ["event.severity"] = 3, ["source.ip"] = "203.0.113.9", ["user.name"] = "ana",
        ["event.outcome"] = "success", ["host.name"] = "web-01",
      } },
  },
}
