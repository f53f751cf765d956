/* The inside of an analyst, shared by analyse.c (the order of things), analyse_ask.c (what agents ask the
 * store) and analyse_model.c (what a model is asked, and what is left of its answer). */
#ifndef LUNETTE_PIPELINE_ANALYSE_IMPL_H
#define LUNETTE_PIPELINE_ANALYSE_IMPL_H

#include "base/json.h"
#include "pipeline/analyse.h"

#define ANALYSTS AGENT_COORDINATOR /* the five that work at once; the coordinator comes after them */

/* The agents' state of one ruleset; goes with its last analysis once it is not the newest. */
struct agents_state {
    struct agents *agents;
    struct ruleset *set; /* referenced */
    size_t users;
};

struct analysis;

/* One agent's turn in one analysis. */
struct turn {
    struct analysis *analysis;
    enum agent_kind kind;
    struct lua_task task;
    bool gathering, done;
    struct ai_call *call;
    unsigned tries;
    struct str gathered; /* JSON object */
    struct str finding;  /* JSON object, once done */
    bool by_model;       /* the finding is a model's, checked */
};

struct analysis {
    struct analyst *analyst;
    struct errand *errand;
    struct agents_state *state;
    struct str view; /* the threat's full JSON */
    struct json *threat;
    struct redact *redact;
    struct evidence_block *block; /* all of the evidence, as a model would get it */
    struct evidence_block *sent;  /* what a model does get: `block`, or what came since the last time */
    struct turn turns[AGENT_COUNT];
    size_t left; /* turns of the five that are not done */
    struct timer *limit;
    struct store_ask *asks; /* that wait for a reader */
    bool starting;
    struct analysis *prev, *next;
};

/* An errand whose analysis has not begun. */
struct waiting {
    struct ruleset *set; /* referenced */
    struct errand *errand;
};

struct analyst {
    struct analyst_options options;
    struct http_fetch *fetch;
    struct provider *provider; /* NULL: no model */
    struct agents_state *newest;
    struct analysis *first;   /* in work */
    struct analysis *running; /* whose Lua runs now: what it asks is answered for its customer only */
    size_t in_work;
    VEC(struct waiting)
    waiting; /* from `begun` on; a beginning takes a millisecond of Lua, so they take turns */
    size_t begun;
    struct timer *next;
    char **personal;
    size_t personal_count;
    struct lua_timers timers, loop_timers;
};

/* ---- analyse_ask.c ---- */
void *analyst_asks(void *host, const char *what, struct str args_json,
                   void (*answer)(void *arg, struct str json, const struct err *err), void *arg);
void analyst_ask_cancel(void *host, void *asked);
/* Looks for a kept answer to identical evidence; `found` gets "" where there is none. False: nobody to ask.
 */
bool analysis_look_up(struct analysis *analysis, void (*found)(struct analysis *analysis, struct str json));
void analysis_forget_asks(struct analysis *analysis);
/* Timers that remember whose they are. */
struct lua_timers analyst_timers(struct analyst *analyst);

/* ---- analyse_model.c ---- */
/* Numbers and fences the evidence. */
void analysis_evidence(struct analysis *analysis);
/* Sends the turn's prompt; false where there is none to send (it has no prompt, or it failed). */
bool turn_ask_model(struct turn *turn);
/* The finding by the agent's own rules; `why`: how asking a model ended, "" where none was asked. */
void turn_offline(struct turn *turn, const char *why);

/* ---- analyse_result.c ---- */
void analysis_cache_key(struct analysis *analysis);
/* An analysis with what belongs to this run: when it ended, and how far it looked. In the errand's arena. */
struct str analysis_stamped(const struct analyst *analyst, const struct errand *errand, struct str analysis);
/* All turns are done: what the errand brings back. */
void analysis_result(struct analysis *analysis);
/* The same from what was kept; false when it cannot be read. */
bool analysis_result_kept(struct analysis *analysis, struct str json);

/* ---- analyse.c ---- */
/* The turn has its finding. */
void turn_finish(struct turn *turn, struct str finding);

#endif
