---@meta lunette
-- What a rule file can name, with types, for editors that read LuaCATS annotations. This file is never run.
-- The standard library is there as in Lua 5.4, but for io, os (other than os.time and os.date, always UTC, on the
-- clock of the run), debug, coroutine, load*, dofile, collectgarbage, string.dump, math.random, next, rawget,
-- rawset and getmetatable. pairs walks in sorted order: numbers, strings by bytes, false, true.

---------------------------------------------------------------------------------------------------------------
-- A value of a field.
---@alias Scalar string|number|boolean
---@alias Value Scalar|Scalar[]|nil

---An event, in callbacks. Fields are read by their path, as in event["source.ip"]: nil for null and absent, a plain
---array (a copy, without nulls) for a list. Only a source's `fix` writes fields. It ends with its call.
---@class Event
---@field [string] Value
event = {}

---Compares as `match` does, with its modifiers: event:is("user.name|startswith", "svc-"). Use it instead of ==.
---@param key string path, or "path|modifier|…"
---@param value? Scalar|Scalar[]|List what to compare with; a list is an OR; list "name" asks a list file
---@return boolean
function event:is(key, value) end

---What the engine knows of a group, in callbacks of a rule with `group`; nil elsewhere.
---@class Group
---@field key string its values, joined by ", "
---@field count integer events in the window
---@field first number time of the first, in seconds since 1970
---@field last number time of the last
---@field values string[] the distinct values
group = {}

---------------------------------------------------------------------------------------------------------------
-- Words of a rule file. They exist while the file loads; only `list` also in callbacks.

---@class RuleGroup
---@field by string[] fields
---@field window string such as "10m"
---@field late? string how much later an event may arrive; "30s"
---@field count? integer events that fire it
---@field distinct? string a field whose distinct values are counted

---@class RuleTest
---@field [1] string what it shows
---@field events (Sample|At)[]|Sample|At
---@field expect table threats, severity, title, dedup, type, count, suppressed, context
---@field lists? table<string, string[]>

---@class RuleSpec
---@field id string such as "identity.mfa_fatigue"
---@field title string
---@field version integer
---@field severity "informational"|"low"|"medium"|"high"|"critical"
---@field type string threat type, which triage is keyed on
---@field mitre? string[] ATT&CK technique ids
---@field source? { category?: string, product?: string, service?: string }
---@field match table|Marker
---@field group? RuleGroup
---@field dedup? { by?: string[], window?: string }
---@field context? string[]
---@field mode? "on"|"shadow"|"off"
---@field shadow_of? string
---@field filter? fun(event: Event): boolean
---@field detect? fun(event: Event, group: Group?): boolean
---@field title_of? fun(event: Event, group: Group?): string
---@field severity_of? fun(event: Event, group: Group?): string?
---@field dedup_of? fun(event: Event, group: Group?): string
---@field context_of? fun(event: Event, group: Group?): table<string, Scalar|Scalar[]>
---@field false_positives? string[]
---@field runbook? string
---@field tests RuleTest[]

---@class SourceSpec
---@field id string
---@field accepts? table<string, any> how its records are recognised when the sender does not name it
---@field route? { category?: string, product?: string, service?: string }
---@field time? table|string
---@field fields? table<string, string|table> ECS path <- vendor path
---@field values? table<string, table>
---@field const? table<string, Scalar>
---@field dissect? table<string, string>
---@field when? table<string, any>
---@field fix? fun(event: Event)
---@field tests? table[]

---A word of `match` that stands for itself.
---@class Marker

---A rule: what to match, when that is a threat, and its own tests.
---@param spec RuleSpec
---@return RuleSpec
function rule(spec) end

---A source: how one vendor's records become ECS.
---@param spec SourceSpec
---@return SourceSpec
function source(spec) end

---A test of a policy or of an agent's `offline`: the result must hold what `expect` says (a part of it; lists
---element by element).
---@class PolicyTest
---@field [1] string what it shows
---@field threat Threat
---@field context? PolicyContext of a policy
---@field gathered? table of an agent: what `gather` would have returned
---@field lists? table<string, table>
---@field expect table

---A threat as policies and agents see it: a plain table of their own, made for each call. Null is absent.
---@class Threat
---@field id string
---@field rule { id: string, version: integer, title: string }
---@field threat_type string
---@field customer_name string
---@field severity Severity
---@field severity_floor Severity
---@field title string
---@field entities string[] such as "user.name:ana"
---@field event_count integer
---@field first_seen string RFC 3339
---@field last_seen string RFC 3339
---@field evidence { id: string, time: string, context: table<string, Scalar|Scalar[]> }[]
---@field mitre_tags string[]
---@field intel_matches table
---@field status string
---@field verdict? string
---@field demo boolean
---@field suppressed boolean
---@field notes? table[] in later runs

---@alias Severity "CRITICAL"|"HIGH"|"MEDIUM"|"LOW"|"INFORMATIONAL"

---@class PolicyContext
---@field now number seconds since 1970
---@field profile table the customer's entry of the list "customers", or {}
---@field assets table<string, table> entries of the list "assets" for the threat's entities
---@field verdicts { rule: table<string, integer>, entities: table<string, table<string, integer>> }
---@field severity? table results of the policies that ran before
---@field false_positive? table
---@field manipulation? table
---@field analysis? table in later runs
---@field source? { product?: string }

---@class PolicySpec
---@field name "severity"|"false_positive"|"manipulation"|"mitre"|"response"|"timeline"
---@field decide fun(threat: Threat, context: PolicyContext): table? plain values that become JSON: see json.encode
---@field tests PolicyTest[]

---A triage policy. What `decide` returns may be 16 deep and 256 KiB as JSON.
---@param spec PolicySpec
---@return PolicySpec
function policy(spec) end

---@class AgentSpec
---@field name string
---@field when? fun(threat: Threat): boolean
---@field gather? fun(threat: Threat): table? may wait: threats, observations, sleep
---@field prompt fun(threat: Threat, gathered: table): { system: string, user: string }
---@field schema table JSON Schema of the answer
---@field offline fun(threat: Threat, gathered: table): table the answer when no model gave one
---@field timeout? string such as "20s"
---@field max_tokens? integer
---@field tests PolicyTest[]

---An AI analyst.
---@param spec AgentSpec
---@return AgentSpec
function agent(spec) end

---An action as a response plan names it.
---@class Action
---@field id string
---@field type string
---@field target string
---@field parameters? table
---@field reason? string

---@class ActionSpec
---@field id string such as "block_ip"
---@field title string
---@field target string[] fields whose values it can be taken on
---@field dry_run fun(action: Action, threat: Threat): { summary: string }
---@field tests? table[]

---A response action.
---@param spec ActionSpec
---@return ActionSpec
function action(spec) end

---An exception: matched events that it marks do not make a threat visible by themselves.
---@param spec { id: string, rule: string, match: table, reason: string, owner: string, expires: string }
---@return table
function exception(spec) end

---Every entry holds.
---@param entries table
---@return table
function all(entries) end

---At least one entry holds.
---@param entries table
---@return table
function any(entries) end

---Not one entry holds.
---@param entries table
---@return table
function none(entries) end

---Any string of the event.
---@param words string[]
---@return table
function keywords(words) end

---Matches every event.
---@type Marker
everything = nil

---Absent or null, in `match` and in samples.
---@type Marker
null = nil

---An event for tests: normalised fields, or { source = id, raw = { … } }.
---@class Sample
---@param fields table
---@return Sample
function sample(fields) end

---A copy with some fields replaced.
---@param fields table
---@return Sample
function sample:with(fields) end

---@class At

---Copies of a sample at these times (seconds on the virtual clock); `arrive` delays their arrival.
---@param times number[]
---@param what Sample
---@param options? { arrive: number[] }
---@return At
function at(times, what, options) end

---A list of rules/lists by its name, or, as what a file returns, a list itself: values, or values with attributes as
---in list { "plain", ["acme"] = { tier = 1 } }.
---@class List
---@overload fun(entries: table): table
---@param name string
---@return List
function list(name) end

---Does the list hold the value (as `match` compares)? For an array: any of its values. nil is in no list.
---@param value Value
---@return boolean
function list:has(value) end

---What the list says of the value: a fresh table of the entry's attributes, {} when it has none, nil when it is not in
---the list. For an array: of the first of its values that is in the list. nil is in no list.
---@param value Value
---@return table<string, any>?
function list:get(value) end

---------------------------------------------------------------------------------------------------------------
-- What agents can ask for. Each waits for its answer, and only `gather` can; other events are handled meanwhile. An
-- answer that fails raises.
---@class threats
threats = {}

---Threats of the same customer that resemble this one, with verdicts and notes.
---@param threat Threat|table
---@param options? { limit?: integer }
---@return table[]
function threats.similar(threat, options) end

---The notes of this threat.
---@param threat Threat|table
---@param options? { limit?: integer }
---@return table[]
function threats.notes(threat, options) end

---@class observations
observations = {}

---What was observed of late; `since` in seconds ago.
---@param options? { kind?: "change"|"news"|"egress", since?: number, entity?: string, limit?: integer }
---@return table[]
function observations.list(options) end

---Waits. Agents only; other events are handled meanwhile.
---@param seconds number 0 to 3600
function sleep(seconds) end

---A module below the rule roots: "identity.helpers" is identity/helpers.lua. Loaded once, read-only.
---@param name string
---@return any
function require(name) end

---Writes a line to the log, like log.info. At most 20 lines a call, 1 KiB each.
---@param ... any
function print(...) end

---------------------------------------------------------------------------------------------------------------
-- Addresses and networks. ::ffff:10.0.0.1 is 10.0.0.1.
---@class ip
ip = {}

---@param text any
---@return 4|6|nil
function ip.version(text) end

---The address in its canonical form, or nil and why not.
---@param text string
---@return string?, string?
function ip.parse(text) end

---Is the address in the network, or in one of them? False for what is no address; a bad network raises.
---@param address any
---@param network string|string[] such as "10.0.0.0/8"
---@return boolean
function ip.in_cidr(address, network) end

---Private, loopback, link-local, shared, unique local or unspecified.
---@param address any
---@return boolean
function ip.is_private(address) end

---------------------------------------------------------------------------------------------------------------
-- Regular expressions (PCRE2) with a step budget: one that takes too long raises. Texts up to 256 KiB.
-- Flags: i (any case), m (^ and $ at line ends), s (. is also a line end).
---@class re
re = {}

---@param text string
---@param pattern string
---@param flags? string
---@return boolean
function re.test(text, pattern, flags) end

---The groups of the first match (the whole match when the pattern has none), or nil.
---@param text string
---@param pattern string
---@param flags? string
---@return string?, string? ...
function re.match(text, pattern, flags) end

---Begin and end of the first match, then its groups, or nil.
---@param text string
---@param pattern string
---@param flags? string
---@return integer?, integer?, string? ...
function re.find(text, pattern, flags) end

---------------------------------------------------------------------------------------------------------------
-- JSON up to 256 KiB, 32 deep.
---@class json
json = {}

---What null becomes, since a table cannot hold nil. It is true in conditions.
---@type any
json.null = nil

---The value, or nil and why not.
---@param text string
---@return any, string?
function json.decode(text) end

---A table with positions 1 to n is an array, any other an object with sorted names ({} for an empty one).
---@param value any
---@return string
function json.encode(value) end

---------------------------------------------------------------------------------------------------------------
---@class base64
base64 = {}

---@param text string
---@return string
function base64.encode(text) end

---Both alphabets, with or without padding; white space is skipped. nil and why not.
---@param text string
---@return string?, string?
function base64.decode(text) end

---------------------------------------------------------------------------------------------------------------
---@class hash
hash = {}

---@param text string
---@return string hex 64 digits
function hash.sha256(text) end

---@param key string
---@param text string
---@return string hex 64 digits
function hash.hmac_sha256(key, text) end

---------------------------------------------------------------------------------------------------------------
---@class url
url = {}

---@class Url
---@field scheme string
---@field user? string
---@field host string
---@field port? integer
---@field path string
---@field query? string
---@field fragment? string

---The parts as they are written, or nil and why not.
---@param text string
---@return Url?, string?
function url.parse(text) end

---@param text string
---@return string
function url.escape(text) end

---@param text string
---@return string
function url.unescape(text) end

---------------------------------------------------------------------------------------------------------------
-- Times are seconds since 1970 with a fraction, always UTC.
---@class time
time = {}

---The clock of the run: real in production, virtual in tests and replay.
---@return number
function time.now() end

---nil and why not.
---@param text string
---@param format? "rfc3339"|"unix"|"unix_ms"|"unix_us"|"unix_ns"|"any"
---@return number?, string?
function time.parse(text, format) end

---RFC 3339 with milliseconds.
---@param seconds number
---@return string
function time.format(seconds) end

---"10m", "1h30m" in seconds; nil and why not.
---@param text string
---@return number?, string?
function time.duration(text) end

---------------------------------------------------------------------------------------------------------------
-- Lines in the server's log. At most 20 lines a call, 1 KiB each. Put no values of events there.
---@class log
log = {}

---@param message any
function log.debug(message) end

---@param message any
function log.info(message) end

---@param message any
function log.warn(message) end

---@param message any
function log.error(message) end
