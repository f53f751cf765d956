-- `failure` without quotes: the load error that engine_spec.lua expects.
return rule {
  id = "broken.undefined_name", title = "Undefined name", severity = "low",
  match = { ["event.outcome"] = failure }, -- luacheck: ignore
}
