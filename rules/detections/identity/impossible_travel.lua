-- Two sign-ins of one person from places that nobody can travel between in the time that lay between them. The event
-- brings both places: source.geo.location of this sign-in, and that of the one before with the seconds since then, as
-- lunette.previous.source.geo.location and lunette.previous.elapsed_seconds. The speed is computed here.

local EARTH_KM = 6371
local FASTEST_KMH = 1000 -- an airliner
local NEAREST_KM = 500   -- below it the geolocation of addresses is not exact enough

local function number(event, path) return tonumber(event[path]) end

-- The distance along the surface (haversine), km.
local function distance(lat1, lon1, lat2, lon2)
  local rise, run = math.rad(lat2 - lat1), math.rad(lon2 - lon1)
  local h = math.sin(rise / 2) ^ 2 + math.cos(math.rad(lat1)) * math.cos(math.rad(lat2)) * math.sin(run / 2) ^ 2
  return 2 * EARTH_KM * math.asin(math.sqrt(math.min(1, h)))
end

-- km and km/h, or nil where something is missing.
local function travel(event)
  local lat, lon = number(event, "source.geo.location.lat"), number(event, "source.geo.location.lon")
  local lat0 = number(event, "lunette.previous.source.geo.location.lat")
  local lon0 = number(event, "lunette.previous.source.geo.location.lon")
  local seconds = number(event, "lunette.previous.elapsed_seconds")
  if not (lat and lon and lat0 and lon0 and seconds) then return nil end
  local km = distance(lat0, lon0, lat, lon)
  return km, km / (math.max(seconds, 60) / 3600)
end

-- New York, ten minutes after London
local jump = sample {
  ["event.category"] = "authentication", ["event.outcome"] = "success", ["user.name"] = "ana",
  ["source.ip"] = "203.0.113.9", ["source.geo.country_iso_code"] = "US",
  ["source.geo.location"] = { lat = 40.71, lon = -74.01 },
  ["lunette.previous.source.geo.location"] = { lat = 51.51, lon = -0.13 },
  ["lunette.previous.source.geo.country_iso_code"] = "GB", ["lunette.previous.elapsed_seconds"] = 600,
}

return rule {
  id       = "identity.impossible_travel",
  title    = "Sign-ins from places too far apart",
  version  = 1,
  severity = "high",
  type     = "geo_anomaly",
  mitre    = { "T1078" },
  match    = {
    ["event.category"] = "authentication", ["event.outcome"] = "success",
    ["lunette.previous.elapsed_seconds|exists"] = true,
    none { ["source.ip|cidr"] = list "corporate_networks" },
  },
  dedup    = { by = { "user.name" }, window = "4h" },

  filter = function(event)
    local km, speed = travel(event)
    return km ~= nil and km >= NEAREST_KM and speed > FASTEST_KMH
  end,
  title_of = function(event)
    local km, speed = travel(event)
    return ("%s signed in %.0f km away: %.0f km/h"):format(event["user.name"] or "somebody", km, speed)
  end,
  severity_of = function(event)
    if list "admins":has(event["user.name"] or "") then return "critical" end
  end,
  context_of = function(event)
    local km, speed = travel(event)
    return {
      ["user.name"] = event["user.name"], ["source.ip"] = event["source.ip"],
      ["source.geo.country_iso_code"] = event["source.geo.country_iso_code"],
      ["lunette.previous.source.geo.country_iso_code"] = event["lunette.previous.source.geo.country_iso_code"],
      ["lunette.geo.distance_km"] = math.floor(km + 0.5), ["lunette.geo.speed_kmh"] = math.floor(speed + 0.5),
    }
  end,

  false_positives = { "A VPN exit or a mobile carrier whose addresses are placed elsewhere" },
  runbook  = "Ask the user about both sign-ins. Revoke the sessions of the one that was not theirs.",

  tests = {
    { "London to New York in ten minutes", events = at({ 0 }, jump),
      expect = { threats = 1, severity = "high", dedup = "ana", type = "geo_anomaly",
                 title = "ana signed in 5570 km away: 33423 km/h",
                 context = { ["lunette.geo.distance_km"] = 5570, ["lunette.geo.speed_kmh"] = 33423 } } },
    { "London to New York in ten hours is a flight",
      events = at({ 0 }, jump:with { ["lunette.previous.elapsed_seconds"] = 36000 }), expect = { threats = 0 } },
    { "numbers as text are numbers",
      events = at({ 0 }, jump:with { ["lunette.previous.elapsed_seconds"] = "600" }), expect = { threats = 1 } },
    { "the next town is no journey",
      events = at({ 0 }, jump:with { ["lunette.previous.source.geo.location"] = { lat = 41.3, lon = -72.9 } }),
      expect = { threats = 0 } },
    { "a place that is missing says nothing",
      events = at({ 0 }, jump:with { ["source.geo.location"] = { lat = 40.71 } }), expect = { threats = 0 } },
    { "a sign-in that failed went nowhere",
      events = at({ 0 }, jump:with { ["event.outcome"] = "failure" }), expect = { threats = 0 } },
    { "an administrator is worse", lists = { admins = { "ana" } }, events = at({ 0 }, jump),
      expect = { threats = 1, severity = "critical" } },
    { "the company's own addresses are placed anywhere", lists = { corporate_networks = { "203.0.113.0/24" } },
      events = at({ 0 }, jump), expect = { threats = 0 } },
  },
}
