-- What the outside world says: advisories, vendor notices, feeds of your choice. POST /api/events/news. What comes by
-- this source is also kept for a week, so that an analysis can look for it. The id is reserved: events of a source
-- called "news" are kept as news.
-- Plain JSON and ECS names both work; {"title": "…", "cve": "CVE-2026-1234"} is enough.
return source {
  id     = "news",
  route  = { category = "news" },
  time   = { "@timestamp", "time", "timestamp", "published", "event.created", format = "any" },
  fields = {
    ["news.title"]       = { "news.title", "title", "headline" },
    ["news.severity"]    = { "news.severity", "severity", "vulnerability.severity", as = "lower" },
    ["vulnerability.id"] = { "vulnerability.id", "cve", "cves", "cve_id" },
    ["event.provider"]   = { "event.provider", "provider", "publisher", "feed" },
    ["service.name"]     = { "service.name", "service", "product" }, -- what it is about
    ["host.name"]        = { "host.name", "host" },
    ["message"]          = { "message", "summary", "description", "text" },
    ["url.full"]         = { "url.full", "url", "link" },
    ["tags"]             = { "tags", "labels", "categories" },
  },
  const  = { ["event.module"] = "news" },
  tests  = {
    { "an advisory in plain JSON",
      raw = {
        title = "Remote code execution in ExampleVPN", summary = "Exploited in the wild.", severity = "Critical",
        cve = "CVE-2026-1234", product = "examplevpn", publisher = "Example CERT", link = "https://cert.example/1",
        published = "2026-01-02T03:04:05Z",
      },
      expect = {
        ["news.title"] = "Remote code execution in ExampleVPN", ["message"] = "Exploited in the wild.",
        ["news.severity"] = "critical", ["vulnerability.id"] = "CVE-2026-1234", ["service.name"] = "examplevpn",
        ["event.provider"] = "Example CERT", ["url.full"] = "https://cert.example/1", ["event.module"] = "news",
        ["event.quality"] = null,
      } },
    { "the same in ECS, nested",
      raw = {
        ["@timestamp"] = "2026-01-02T03:04:05Z", news = { title = "Phishing wave", severity = "medium" },
        vulnerability = { id = "CVE-2026-1" }, message = "Parcel notices", tags = { "phishing" },
        event = { provider = "Example feed" },
      },
      expect = {
        ["news.title"] = "Phishing wave", ["news.severity"] = "medium", ["vulnerability.id"] = "CVE-2026-1",
        ["message"] = "Parcel notices", ["tags"] = "phishing", ["event.provider"] = "Example feed",
        ["event.quality"] = null,
      } },
    { "a title is enough",
      raw = { headline = "Quiet week", time = "2026-01-02T03:04:05Z" },
      expect = { ["news.title"] = "Quiet week", ["vulnerability.id"] = null, ["event.quality"] = null } },
  },
}
