/* What the files of this folder share: the runtime behind runtime.h, and the small functions between them.
 * All on the state's thread, but lua_budget_arm, which also runs in a signal handler on it. Functions marked
 * LUA_RAISES may leave by longjmp: they run inside a protected call only, and no malloc'd temporary may be
 * alive across them. */
#ifndef LUNETTE_LUA_STATE_H
#define LUNETTE_LUA_STATE_H

#ifndef lauxlib_h /* tests bring them from elsewhere */
#include <lauxlib.h>
#include <lua.h>
#endif
#include <signal.h>

#include "base/buf.h"
#include "base/vec.h"
#include "loop/thread.h"
#include "lua/pool.h"
#include "lua/runtime.h"

#define LUA_RAISES
#if LUA_VERSION_RELEASE_NUM < 50406
#define lua_closethread(co, from) lua_resetthread(co) /* renamed in 5.4.6 */
#endif

#define LUA_STRING_MAX ((size_t)1 << 20) /* longest string; what bounds every loop over one */

enum lua_kill { LUA_KILL_NONE, LUA_KILL_TIME, LUA_KILL_MEMORY, LUA_KILL_CLOSING };
enum lua_phase { LUA_PHASE_LOAD = 1, LUA_PHASE_RUN = 2 };

struct lua_memory {
    size_t used;
    size_t limit;   /* of the running call, else of the state */
    bool refused;   /* the last request; a collection may have followed */
    bool unlimited; /* the host itself works: setup, closing */
    unsigned stress, count;
    struct pool pool; /* of the small blocks */
};

struct lua_budget {
    lua_State *volatile co; /* the coroutine that a kill stops; NULL outside of a call */
    volatile sig_atomic_t kill;
    bool counting;         /* by instructions, no watchdog */
    uint64_t spent, limit; /* units of 10 ns: VM instructions, steps of our own loops */
    int64_t cpu_began;     /* of counting */
};

struct lua_scheduler;
struct lua_sched_task;
struct lua_predicates;
struct lua_regexes;
struct json_tape;

struct lua_runtime {
    lua_State *L;
    struct lua_options options;
    struct owner owner;
    struct lua_memory memory;
    struct lua_budget budget;
    enum lua_phase phase;
    struct lua_scheduler *scheduler;
    VEC(int) files;     /* registry references of what they returned; the index is the file handle */
    VEC(int) functions; /* registry references; the index is what lua_find gives */
    struct lua_predicates *predicates;
    struct lua_regexes *regexes;
    struct json_tape *json; /* of json_in.c; NULL until there is a text */
    struct buf json_text;   /* what it reads */
    uint64_t shared[2];     /* lua_call.shared of the tables that are kept for it; 0: none */
    size_t shared_len;      /* of the second one's text, without its brace */
    uint64_t runs;          /* entries so far */
    unsigned log_lines;     /* left in the running call */
};

static inline struct lua_runtime *lua_runtime_of(lua_State *L)
{
    return *(struct lua_runtime **)lua_getextraspace(L);
}

/* ---- alloc.c ---- */
void *lua_memory_resize(void *runtime, void *ptr, size_t osize, size_t nsize); /* a lua_Alloc */

/* ---- budget.c ---- */
void lua_budget_enter(struct lua_runtime *runtime, lua_State *co, int64_t budget_ns);
int64_t lua_budget_leave(struct lua_runtime *runtime); /* CPU ns since enter */
/* Stops the running call at its next instruction. Async-signal-safe. */
void lua_budget_arm(struct lua_runtime *runtime, enum lua_kill kill);
/* Our own loops pay for what they do, before or while they do it: one unit is about 10 ns. Ends the call when
 * there is nothing left. */
LUA_RAISES void lua_budget_charge(lua_State *L, size_t units);
/* The same without raising, for code that must clean up first: false when there is nothing left. */
bool lua_budget_spend(struct lua_runtime *runtime, size_t units);
LUA_RAISES int lua_budget_die(lua_State *L);

/* ---- call.c: the only file that enters Lua ---- */
/* Runs fn(L) with `arg` as its only argument, a light userdata. */
int lua_protected(struct lua_runtime *runtime, lua_CFunction fn, void *arg, struct err *err);
struct lua_outcome {
    enum lua_status status;
    bool waiting; /* it yielded to an operation and goes on later */
    char error[512];
    int64_t cpu_ns;
};
/* One resume of a coroutine with its budget. Its failure leaves it closed. */
void lua_enter(struct lua_runtime *runtime, lua_State *co, int nargs, int64_t budget_ns,
               struct lua_outcome *outcome);

/* ---- sandbox.c and friends: what rules can name ---- */
LUA_RAISES void lua_sandbox_open(lua_State *L);
/* Pushes a new environment for a chunk. */
LUA_RAISES void lua_sandbox_environment(lua_State *L);
/* Pushes the text of the value at idx: as tostring, but without addresses. Returns it. */
LUA_RAISES struct str lua_sandbox_text(lua_State *L, int idx);
/* Replaces the table on top by a read-only view of it. `strict`: reading a name it lacks raises too. */
LUA_RAISES void lua_freeze(lua_State *L, const char *name, bool strict);
/* The same for all tables inside it: what a module returned. */
LUA_RAISES void lua_freeze_deep(lua_State *L, const char *name);
/* When the value at idx is a view of lua_freeze, puts the table behind it there: for reading only. */
bool lua_frozen_target(lua_State *L, int idx);
/* Pushes a table with the keys of the table at idx, sorted: numbers, strings by bytes, false, true; returns
 * how many. Other keys and more than 10,000 raise. */
LUA_RAISES size_t lua_sorted_keys(lua_State *L, int idx);
LUA_RAISES void lua_open_pairs(lua_State *L);        /* pushes the function */
LUA_RAISES void lua_open_setmetatable(lua_State *L); /* pushes the function */
LUA_RAISES void lua_open_table(lua_State *L);        /* each pushes its table of functions */
LUA_RAISES void lua_open_string(lua_State *L);
LUA_RAISES void lua_open_os(lua_State *L);
extern const luaL_Reg lua_pattern_functions[]; /* find, match, gmatch, gsub */
LUA_RAISES int lua_require(lua_State *L);
LUA_RAISES int lua_sleep(lua_State *L);

/* One module of the rules' own library. */
struct lua_module {
    const char *name;
    const luaL_Reg *functions;
    LUA_RAISES void (*extra)(lua_State *L); /* adds to the table on top; may be NULL */
};
extern const struct lua_module lua_module_ip, lua_module_re, lua_module_json, lua_module_base64,
    lua_module_hash, lua_module_url, lua_module_time, lua_module_log;
extern const struct lua_module lua_module_threats, lua_module_observations; /* of agents: op_ask.c */

/* Argument helpers: strings as struct str, borrowed while the value stays on the stack. */
LUA_RAISES struct str lua_arg_str(lua_State *L, int arg);
/* Pushes nil and the message, which is what expected failures return. */
LUA_RAISES int lua_fail(lua_State *L, const char *message);
/* A buf that is freed whatever happens: anchored by a userdata that this pushes. */
LUA_RAISES struct buf *lua_scratch(lua_State *L);
/* Seconds since 1970 on the host's clock, in ns. */
int64_t lua_host_now(const struct lua_runtime *runtime);
void lua_host_log(struct lua_runtime *runtime, const char *level, struct str message);
LUA_RAISES int lua_print(lua_State *L);

/* ---- dsl.c: the names of the load phase, and `list` ---- */
/* Pushes the load-phase value of that name and returns true; false when it is none. Raises outside of the
 * load phase. */
LUA_RAISES bool lua_dsl_get(lua_State *L, const char *name);
LUA_RAISES void lua_dsl_open(lua_State *L);
LUA_RAISES int lua_dsl_list(lua_State *L); /* list "name", list { … } */
extern const char *const lua_dsl_names[];  /* NULL ends it */
/* Which constructor made the value at idx; LVAL_PLAIN when none did. */
int lua_dsl_kind(lua_State *L, int idx);
/* The name of list "name" at idx; ptr NULL when it is none. */
struct str lua_dsl_list_name(lua_State *L, int idx);
/* Is the list known, and does it hold the value? Raises for an unknown one. */
LUA_RAISES bool lua_list_has(lua_State *L, struct str name, struct str value);
/* May the value at idx stand for null (json.null, null)? */
bool lua_is_null(lua_State *L, int idx);
LUA_RAISES void lua_push_null(lua_State *L);

/* ---- convert.c: a value of Lua as struct lval ---- */
struct lua_scan;
struct lval;
/* Copies the value on top. NULL and err, with path:line, for what has no place in a rule file; raises only
 * for memory. `scan` may be NULL: no lines. */
LUA_RAISES struct lval *lua_convert(lua_State *L, struct arena *arena, const struct lua_scan *scan,
                                    struct str path, struct err *err);

/* ---- json_in.c, json_out.c: plain values ---- */
/* Pushes what the text says: tables and scalars, nulls left out (alone: nil); nil for an empty text. Raises
 * for what is not JSON, 256 KiB, 32 levels. */
LUA_RAISES void lua_push_json(lua_State *L, struct str text);
/* Puts the members that the text of an object has from there on into the table on top. */
LUA_RAISES void lua_add_json(lua_State *L, struct str text, size_t from);
/* Appends the value at idx, read raw. False and *err, naming the place in the value, for what has no JSON
 * form and for more than 16 levels or LUA_JSON_MAX in `out`; raises only for memory and the budget. */
LUA_RAISES bool lua_put_json(lua_State *L, int idx, struct buf *out, struct err *err);

/* ---- result.c: what a callback returned ---- */
/* Reads the value on top as call->returns says into *result (status, truth, text). Raises only for memory. */
LUA_RAISES void lua_read_result(lua_State *L, const struct lua_call *call, struct lua_result *result);

/* ---- proxy.c, is.c: the event ---- */
LUA_RAISES void lua_proxy_open(lua_State *L);
LUA_RAISES void lua_proxy_push(lua_State *L, struct lua_sched_task *task);
LUA_RAISES int lua_proxy_is(lua_State *L); /* event:is(key, value) */
/* The call whose event the proxy at idx shows; raises when it has ended. */
LUA_RAISES const struct lua_call *lua_proxy_call(lua_State *L, int idx);
void lua_predicates_free(struct lua_predicates *predicates);
void lua_regexes_free(struct lua_regexes *regexes);

#endif
