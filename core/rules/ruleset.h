/* A ruleset: one generation of everything the rule and plugin roots say, compiled. Immutable after loading
 * and reference-counted; any thread reads it while it holds a reference. A batch ends on the ruleset it began
 * with. */
#ifndef LUNETTE_RULES_RULESET_H
#define LUNETTE_RULES_RULESET_H

#include <stdatomic.h>

#include "base/map.h"
#include "data/group.h"
#include "data/threat.h"
#include "event/source_map.h"
#include "lua/runtime.h"
#include "match/match.h"

enum callback {
    CALLBACK_FILTER,
    CALLBACK_DETECT,
    CALLBACK_TITLE,
    CALLBACK_SEVERITY,
    CALLBACK_DEDUP,
    CALLBACK_CONTEXT,
    CALLBACK_COUNT
};
extern const char *const callback_names[CALLBACK_COUNT]; /* "filter" … "context_of" */

/* What a threat may be about: its entities, where the event has them. */
#define ENTITY_FIELDS 6
extern const char *const entity_fields[ENTITY_FIELDS];

enum rule_mode { RULE_ON, RULE_SHADOW, RULE_OFF };

struct slots {
    uint32_t *items; /* field slots */
    size_t count;
};

/* One event of a test. */
struct test_event {
    struct str json;   /* normalised event, or the raw record when `source` is set */
    struct str source; /* source id, or "" */
    double at, arrive; /* seconds on the virtual clock: event time, arrival */
};
struct test_list {
    struct str name;
    const struct literal *entries;
    size_t count;
    const struct str *attributes; /* by entry, JSON objects or ""; NULL: none has any */
};
struct rule_test {
    struct str name;
    unsigned line;
    const struct test_event *events;
    size_t event_count;
    const struct test_list *lists;
    size_t list_count;
    const struct match_node *match; /* with the lists of this test; NULL: as the rule's */
    /* expectations; each only where its has_ flag is set */
    bool has_threats, has_severity, has_count, has_suppressed;
    uint64_t threats, count, suppressed;
    enum severity severity;
    struct str title, dedup, type; /* ptr NULL: not expected */
    const struct lval *context;    /* table path -> value, NULL: not expected */
};

struct rule {
    struct str id, title, type, runbook, shadow_of;
    unsigned version;
    enum severity severity;
    enum rule_mode mode;
    struct str path; /* of its file, as shown: "rules/detections/identity/mfa.lua" */
    struct str text; /* its source */
    unsigned file;   /* index into ruleset->files */
    const struct str *mitre;
    size_t mitre_count;
    const struct str *false_positives;
    size_t false_positive_count;
    struct match_route route;
    const struct match_node *match;
    bool everything; /* match = everything */
    bool uses_lists; /* match names a list */
    bool grouped;
    struct group_spec group;
    struct slots group_by;
    uint32_t distinct;     /* slot or FIELD_NONE */
    struct slots dedup_by; /* empty: group_by, else the title */
    int64_t dedup_window_ns;
    struct slots context;
    struct slots stored; /* what a window entry keeps: by, distinct, dedup, context, literal callback paths */
    unsigned callbacks;  /* bit set of 1 << enum callback that the file defines */
    const struct rule_test *tests;
    size_t test_count;
};

struct source_test {
    struct str name, raw;      /* a JSON object */
    const struct lval *expect; /* table path -> value */
    unsigned line;
};
struct source {
    struct str id, path; /* path as shown */
    unsigned file;
    struct match_route route;
    struct source_map *map;
    struct match_predicate **accepts; /* all must hold */
    size_t accepts_count;
    struct match_predicate **when; /* all must hold for `fix` to run; none: never */
    size_t when_count;
    bool has_fix;
    const struct source_test *tests;
    size_t test_count;
};

struct list; /* lists.h */

/* ---- triage and analysis: what `policy`, `agent` and `action` files say ---- */

enum policy_kind {
    POLICY_SEVERITY,
    POLICY_FALSE_POSITIVE,
    POLICY_RESPONSE,
    POLICY_MITRE,
    POLICY_MANIPULATION,
    POLICY_TIMELINE,
    POLICY_COUNT
};
extern const char *const policy_names[POLICY_COUNT]; /* "severity" … "timeline" */

enum agent_kind {
    AGENT_HISTORICAL,
    AGENT_CONFIG,
    AGENT_DEVOPS,
    AGENT_CONTEXT,
    AGENT_PRIORITY,
    AGENT_COORDINATOR,
    AGENT_COUNT
};
extern const char *const agent_names[AGENT_COUNT]; /* "historical" … "coordinator" */

/* A test of a policy (decide of threat, context), an agent (offline of threat, gathered) or an action
 * (dry_run of action, threat). Texts are JSON objects; "{}" where the test does not name them. */
struct policy_test {
    struct str name;
    unsigned line;
    struct str threat, context, gathered, action;
    const struct test_list *lists;
    size_t list_count;
    struct str expect; /* JSON, compared as a subset of the answer; "" when `fails` */
    bool fails;        /* expect = { error = true } */
};

struct policy {
    bool present; /* false: none of the files is this policy; triage has its own default */
    struct str name, path;
    unsigned file; /* index into ruleset->files */
    const struct policy_test *tests;
    size_t test_count;
};

struct agent {
    bool present;
    struct str name, path;
    unsigned file;
    bool has_when, has_gather, has_prompt; /* `offline` there always is */
    struct str schema;                     /* JSON Schema of a model's answer; "" without a prompt */
    int64_t timeout_ns;                    /* of one request to the model: 1 s to 120 s */
    unsigned max_tokens;                   /* 1 to 32,000 */
    const struct policy_test *tests;
    size_t test_count;
};

struct action {
    struct str id, title, path;
    unsigned file;
    const struct str *target; /* fields whose value it can be about */
    size_t target_count;
    const struct policy_test *tests;
    size_t test_count;
};

/* An entry of the list "attack". */
struct technique {
    struct str id, name, tactics; /* tactics: a JSON array of texts */
};

struct ruleset {
    atomic_uint refs;
    atomic_uint batches; /* being judged on it: a worker keeps its Lua state until there are none */
    uint64_t generation; /* 1, 2, … in this process; 0 while unpublished */
    char hash[65];       /* SHA-256 of the tree and the overlays: ruleset_hash */
    struct arena *arena;
    struct fields *fields;
    struct matcher *matcher;  /* of the rules that are not off; same indexes, as the others stand last */
    const struct rule *rules; /* by id; those that are off stand last */
    size_t rule_count;
    const struct source *sources;
    size_t source_count;
    struct lua_source *files;
    size_t file_count; /* every Lua file that is a rule, a source, a policy, an agent or an action */
    struct lua_source *modules;
    size_t module_count; /* for require: path below the root, dots for slashes, no .lua */
    struct list **lists; /* by name */
    size_t list_count;
    struct map *rules_by_id, *lists_by_name; /* const struct rule *, const struct list * */
    const struct list **intel;               /* by name: the lists that begin with "intel_" */
    size_t intel_count;
    struct policy policies[POLICY_COUNT];
    struct agent agents[AGENT_COUNT];
    const struct action *actions; /* by id */
    size_t action_count;
    struct map
        *techniques; /* id -> const struct technique *, of the list "attack"; NULL: there is no such list */
};

struct ruleset *ruleset_ref(struct ruleset *set);
void ruleset_unref(struct ruleset *set);                                   /* NULL is fine */
const struct rule *ruleset_find(const struct ruleset *set, struct str id); /* NULL */
uint32_t ruleset_source(const struct ruleset *set, struct str id);         /* UINT32_MAX */
/* Does the list hold the value (texts case-folded, numbers by their decimal text, addresses also by the
 * networks of the list)? *known: there is such a list. */
bool ruleset_list_has(const struct ruleset *set, struct str name, struct str value, bool *known);
/* The same with the entry's attributes: list_get. *json is "{}" where it has none; untouched when false. */
bool ruleset_list_get(const struct ruleset *set, struct str name, struct str value, struct str *json,
                      bool *known);
const struct list *ruleset_list(const struct ruleset *set, struct str name);   /* NULL */
const struct action *ruleset_action(const struct ruleset *set, struct str id); /* NULL */
/* What the list "attack" says of an ATT&CK id ("T1621", "TA0001"): its name ("" where it has none) and a JSON
 * array of its tactics. False when it is not there, also when there is no such list. */
bool ruleset_technique(const struct ruleset *set, struct str id, struct str *name, struct str *tactics_json);

#endif
