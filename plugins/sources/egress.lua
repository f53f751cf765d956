-- Egress violations: traffic that left, or tried to leave, against a policy, as a firewall, proxy or service mesh
-- reports it. POST /api/events/egress, or POST /api/egress-violations. What comes by this source is also kept for a
-- week and weighed against verdicts on the same host. The id is reserved: events of a source called "egress" are kept
-- as egress violations.
-- Plain JSON and ECS names both work; {"source_ip": "10.0.0.5", "domain": "bad.example", "policy": "no-uploads"} is
-- enough.
return source {
  id     = "egress",
  route  = { category = "egress" },
  time   = { "@timestamp", "time", "timestamp", "event.created", format = "any" },
  fields = {
    ["source.ip"]          = { "source.ip", "source_ip", "src_ip", "srcip", as = "ip" },
    ["host.name"]          = { "host.name", "host", "hostname", "source.domain" },
    ["user.name"]          = { "user.name", "user" },
    ["service.name"]       = { "service.name", "service" },
    ["process.executable"] = { "process.executable", "process" },
    ["destination.domain"] = { "destination.domain", "destination_domain", "domain", "destination" },
    ["destination.ip"]     = { "destination.ip", "destination_ip", "dst_ip", "dstip", as = "ip" },
    ["destination.port"]   = { "destination.port", "destination_port", "dst_port", "port", as = "integer" },
    ["network.transport"]  = { "network.transport", "protocol", as = "lower" },
    ["network.bytes"]      = { "network.bytes", "bytes", "bytes_out", "source.bytes", as = "integer" },
    ["event.action"]       = { "event.action", "action", as = "lower" }, -- blocked, allowed
    ["rule.name"]          = { "rule.name", "policy", "policy.name", "policy_name" },
    ["url.full"]           = { "url.full", "url" },
    ["message"]            = { "message", "description", "reason" },
    ["tags"]               = { "tags", "labels" },
  },
  const  = { ["event.module"] = "egress" },
  tests  = {
    { "a blocked upload in plain JSON",
      raw = {
        source_ip = "::ffff:10.0.0.5", host = "ws-05", user = "ana", domain = "files.example", dst_ip = "203.0.113.9",
        port = "443", protocol = "TCP", bytes = "1048576", policy = "no-uploads", action = "Blocked",
        time = "2026-01-02T03:04:05Z",
      },
      expect = {
        ["source.ip"] = "10.0.0.5", ["host.name"] = "ws-05", ["user.name"] = "ana",
        ["destination.domain"] = "files.example", ["destination.ip"] = "203.0.113.9", ["destination.port"] = 443,
        ["network.transport"] = "tcp", ["network.bytes"] = 1048576, ["rule.name"] = "no-uploads",
        ["event.action"] = "blocked", ["event.module"] = "egress", ["event.quality"] = null,
      } },
    { "the same in ECS, nested",
      raw = {
        ["@timestamp"] = "2026-01-02T03:04:05Z", source = { ip = "10.0.0.5", bytes = 77 }, host = { name = "ws-05" },
        destination = { ip = "2001:db8::1", domain = "bad.example", port = 8443 }, rule = { name = "deny-all" },
        event = { action = "allowed" }, network = { transport = "udp" }, user = { name = "bo" },
      },
      expect = {
        ["source.ip"] = "10.0.0.5", ["network.bytes"] = 77, ["host.name"] = "ws-05", ["user.name"] = "bo",
        ["destination.ip"] = "2001:db8::1", ["destination.domain"] = "bad.example", ["destination.port"] = 8443,
        ["rule.name"] = "deny-all", ["event.action"] = "allowed", ["network.transport"] = "udp",
        ["event.quality"] = null,
      } },
    { "an address that is none is kept as it came, and marked",
      raw = { source_ip = "gateway", policy = { name = "geo" }, time = "2026-01-02T03:04:05Z" },
      expect = { ["source.ip"] = "gateway", ["rule.name"] = "geo", ["event.quality"] = "not_converted" } },
  },
}
