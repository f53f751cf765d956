/* One Lua state: one thread, one pack, one role. The only door to Lua: nothing above this floor sees a
 * lua_State, and only call.c enters one. Sandbox by allow-list, memory cap, CPU budget armed late by the
 * watchdog, text chunks only. What can raise runs protected, results included. Owner: the thread that made
 * it; each entry asserts that. */
#ifndef LUNETTE_LUA_RUNTIME_H
#define LUNETTE_LUA_RUNTIME_H

#include "base/clock.h"
#include "event/event.h"
#include "loop/watchdog.h"
#include "lua/value.h"

struct lua_runtime;

/* What the state may ask of the floors above; all borrowed, called on the state's thread. */
struct lua_host {
    void *context;
    const struct clock *clock; /* os.time, os.date, time.now */
    /* list "name": does it hold the value (as match compares)? *known false when there is no such list. */
    bool (*list_has)(void *context, struct str name, struct str value, bool *known);
    /* Text of the module `name` ("identity.helpers") below the rule roots; false when there is none. */
    bool (*module)(void *context, struct str name, struct str *path, struct str *text);
    /* log.info("…") and print from a rule. */
    void (*log)(void *context, const char *level, struct str message);
    /* list "name":get(value): does the list hold the value, and what does it say of it? *json: a JSON object
     * of the entry's attributes; left empty when it has none. Borrowed until the state is next left: the
     * ruleset holds it ready. NULL: get raises. */
    bool (*list_get)(void *context, struct str name, struct str value, struct str *json, bool *known);
    /* What an agent waits for: `what` is "threats.similar", "threats.notes" or "observations.list",
     * `args_json` an array of the call's arguments (threat and options, or options only; no trailing nil),
     * borrowed during the call. Calls answer(arg, …) exactly once, on the state's thread and never from
     * within; then with JSON, borrowed during the call, that becomes a table (empty: nil), or with an error,
     * that is raised in the agent. Returns what ask_cancel takes before that; no answer comes after a cancel,
     * which is called whether the agent was cancelled or the state ends. NULL result: refused at once, and no
     * answer comes. NULL function: asking raises. */
    void *(*ask)(void *context, const char *what, struct str args_json,
                 void (*answer)(void *arg, struct str json, const struct err *err), void *arg);
    void (*ask_cancel)(void *context, void *asked);
};

/* What `sleep` waits on. `start` calls fire(arg) once after the delay and returns what `cancel` takes before
 * that. lua_timers_loop (below) is the one of a worker's loop; tests bring a virtual one. */
struct lua_timers {
    void *context;
    void *(*start)(void *context, int64_t delay_ns, void (*fire)(void *arg), void *arg);
    void (*cancel)(void *context, void *timer);
};
struct loop;
struct lua_timers lua_timers_loop(struct loop *loop);

enum lua_role { LUA_DETECTION, LUA_TRIAGE, LUA_AGENTS };

struct lua_options {
    enum lua_role role;
    const struct lua_host *host;
    struct watchdog_slot *watchdog;  /* NULL: budgets by instruction count, deterministic (tests, check) */
    size_t memory_state;             /* 0: 64 MiB, cap of the state */
    size_t memory_call;              /* 0: 8 MiB above use at entry of a call */
    const struct lua_timers *timers; /* agents: for sleep; borrowed; NULL: sleep raises */
    unsigned gc_stress;              /* tests: a full collection at each n-th allocation; 0: never */
};
/* The `overdue` of watchdog_slot_new for a thread that runs Lua: it arms the kill hook of the call that this
 * thread is in, whichever state that belongs to. `unused` may be NULL. */
void lua_runtime_overdue(void *unused);

/* The owner is the thread of the first entry after this. */
struct lua_runtime *lua_runtime_new(const struct lua_options *options, struct err *err);
/* NULL is fine. Cancels tasks that still wait. */
void lua_runtime_free(struct lua_runtime *runtime);
size_t lua_runtime_bytes(const struct lua_runtime *runtime);
/* A bounded step of garbage collection, for idle moments. */
void lua_runtime_idle(struct lua_runtime *runtime);

struct lua_source {
    struct str path; /* as shown in messages: "rules/detections/identity/mfa.lua" */
    struct str text; /* Lua source; bytecode is refused */
};
/* Runs the file in the load phase (rule{}, list, sample … exist only then) within 500 ms of CPU and keeps
 * what it returned. Returns a file handle >= 0, or -1. `value` (may be NULL) gets the returned tree in
 * `arena`. Errors carry file:line in err.where. (Not lua_load: that name is the Lua library's.) */
int lua_load_file(struct lua_runtime *runtime, const struct lua_source *source, struct arena *arena,
                  struct lval **value, struct err *err);
/* The function under that top-level key of what the file returned; -1: none. */
int lua_find(struct lua_runtime *runtime, int file, const char *key);
/* Lets go of what the file returned: its functions that were found stay, its tests and the rest are garbage.
 * The handle is not valid any more. */
void lua_forget_file(struct lua_runtime *runtime, int file);

/* What `group` is to a callback; there, times are seconds since 1970 with a fraction. */
struct lua_group {
    struct str key; /* as shown: values joined by ", " */
    uint32_t count;
    int64_t first_ns, last_ns;
    const struct str *values; /* distinct values */
    size_t value_count;
};

enum lua_returns {
    LUA_RETURNS_BOOL,            /* true or false; nil is a wrong type */
    LUA_RETURNS_STRING,          /* a string */
    LUA_RETURNS_OPTIONAL_STRING, /* a string or nil */
    LUA_RETURNS_FLAT,    /* a table of string keys -> string, number, boolean or list of them; as JSON */
    LUA_RETURNS_NOTHING, /* ignored (fix) */
    /* Any value as JSON text: strings (bad UTF-8 repaired), finite numbers, booleans, json.null, and tables
     * of them up to 16 deep and 256 KiB of text. Positions 1 to n are an array, string keys an object,
     * sorted; an empty table is {}. nil and json.null: is_nil, no text. All else is a wrong type, with its
     * place. */
    LUA_RETURNS_JSON,
};
enum lua_status {
    LUA_DONE,
    LUA_FAILED /* raised */,
    LUA_OVERRAN /* CPU budget */,
    LUA_NO_MEMORY,
    LUA_WRONG_TYPE
};

#define LUA_JSON_ARGS 4
#define LUA_JSON_MAX  ((size_t)256 << 10) /* bytes of one text of JSON, in or out */
struct lua_call {
    int function; /* of lua_find */
    enum lua_returns returns;
    struct event *event;         /* read through a proxy; written only when `writable` (fix) */
    struct arena *arena;         /* for what is written, and for string results */
    struct event_parser *parser; /* for paths that are not interned; NULL: those are nil */
    bool writable;
    const struct lua_group *group; /* NULL: the callback gets nil */
    const struct str *json; /* the arguments, instead of event and group, when json_count > 0: JSON texts that
                             * become plain tables and values; null members are absent, an empty text is nil.
                             * At most LUA_JSON_ARGS, of 256 KiB and 32 levels each; else LUA_FAILED. Read
                             * while the call begins, so that a task's may go once lua_task_start returned. */
    size_t json_count;
    /* Not 0: calls in a row with the same number get the same tables as their first and second argument. The
     * first one's text is read once; the second one is an object that grows at its end from call to call, and
     * only what is new is read. The host answers for what the functions write there. */
    uint64_t shared;
    int64_t budget_ns; /* CPU time */
};
struct lua_result {
    enum lua_status status;
    bool truth;
    bool is_nil;
    struct str text; /* STRING, FLAT as a JSON object (<= 64 KiB), JSON (<= 256 KiB); in call->arena */
    char error[256]; /* for status != DONE: one line for a person */
    int64_t cpu_ns;
};
/* Calls the function. Never raises, never leaves the state unusable. */
void lua_run(struct lua_runtime *runtime, const struct lua_call *call, struct lua_result *result);
const char *lua_status_name(enum lua_status status); /* "done" "error" "timeout" "memory" "wrong_type" */

/* A call that may wait (sleep) and goes on later from the thread's loop: what agents are. LUA_AGENTS only. */
struct lua_task { /* a handle: stale ones are recognised and do nothing */
    void *task;
    uint32_t generation;
};
struct lua_task_options {
    struct lua_call call; /* what it points to must live until `done`; budget_ns is that of one resume */
    int64_t total_ns;     /* CPU time of all resumes together */
    void (*done)(void *context, const struct lua_result *result); /* once, maybe before lua_task_start ends */
    void *context;
};
/* 0, also when the task failed at once (`done` says so); -1 when there is no memory for it. */
int lua_task_start(struct lua_runtime *runtime, const struct lua_task_options *options, struct lua_task *task,
                   struct err *err);
/* Ends a waiting task and undoes what it waits for; `done` is not called. False for a stale handle. */
bool lua_task_cancel(struct lua_runtime *runtime, struct lua_task task);

#endif
