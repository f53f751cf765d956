-- What the sources of Windows events share: the action of an event, and who signed in from where. A source asks for it
-- with `when = { ["event.code"] = windows.codes }`.

-- Only what says who did what to whom needs more than a rename: few of all events.
local actions = {
  ["104"]  = { "event-log-cleared", "iam" },
  ["1102"] = { "audit-log-cleared", "iam" },
  ["4624"] = { "logged-in", "authentication", "success" },
  ["4625"] = { "logon-failed", "authentication", "failure" },
  ["4648"] = { "logged-in-explicit", "authentication", "success" },
  ["4697"] = { "service-installed", "configuration" },
  ["4698"] = { "scheduled-task-created", "configuration" },
  ["4699"] = { "scheduled-task-deleted", "configuration" },
  ["4702"] = { "scheduled-task-updated", "configuration" },
  ["4720"] = { "added-user-account", "iam" },
  ["4726"] = { "deleted-user-account", "iam" },
  ["4728"] = { "added-member-to-group", "iam" },
  ["4732"] = { "added-member-to-group", "iam" },
  ["4740"] = { "locked-out-user-account", "iam" },
  ["4756"] = { "added-member-to-group", "iam" },
  ["4768"] = { "kerberos-ticket-granting-ticket-requested", "authentication" },
  ["4769"] = { "kerberos-service-ticket-requested", "authentication" },
  ["4771"] = { "kerberos-preauth-failed", "authentication", "failure" },
  ["4776"] = { "credential-validated", "authentication" },
  ["7045"] = { "service-installed", "configuration" },
}

local codes = {}
for code in pairs(actions) do codes[#codes + 1] = code end

local function given(value)
  if value and value ~= "-" and value ~= "" then return value end
end

-- In sign-ins the target is who signs in, and the subject is the service that took it.
local function sign_in(event)
  event["user.name"] = given(event["user.target.name"])
  event["user.domain"] = given(event["user.target.domain"])
  event["user.id"] = given(event["user.target.id"])
  local ip = given(event["winlog.event_data.IpAddress"])
  if ip then event["source.ip"] = ip:gsub("^::ffff:", "") end
  event["source.port"] = given(event["winlog.event_data.IpPort"])
  event["source.domain"] = given(event["winlog.event_data.WorkstationName"])
end

local function name_it(event)
  local action = actions[event["event.code"]]
  event["event.action"] = action[1]
  event["event.category"] = action[2]
  event["event.outcome"] = action[3] or "success"
  if action[2] ~= "authentication" then return end
  sign_in(event)
  local status = event["winlog.event_data.Status"]
  if not action[3] and status and status ~= "0x0" then event["event.outcome"] = "failure" end
end

return { codes = codes, name_it = name_it }
