/* What demo events are made of: chance, people, places, and a writer of events. Inner header of demo_events.c
 * and demo_ordinary.c. The holder of a maker owns it; any thread. */
#ifndef LUNETTE_APP_DEMO_MAKER_H
#define LUNETTE_APP_DEMO_MAKER_H

#include "base/buf.h"
#include "base/clock.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Appends events to `out`. The same seed, time and purpose give the same events with the same ids. */
struct maker {
    struct buf *out;
    uint64_t chance; /* state of the generator */
    uint64_t seed;
    const char *purpose, *customer;
    int64_t now_ns;
    uint32_t made;
};
struct maker maker_of(const char *purpose, uint64_t seed, int64_t now_ns, struct buf *out);

uint64_t maker_draw(struct maker *m);
unsigned maker_below(struct maker *m, size_t limit); /* 0 .. limit - 1 */
const char *maker_pick(struct maker *m, const char *const *choices, size_t count);
#define MAKER_PICK(m, choices) maker_pick(m, choices, COUNT(choices))

/* ---- people and places ---- */

#define CUSTOMERS   5
#define FIRST_NAMES 24
#define LAST_NAMES  24
#define CITIES      12
#define BROWSERS    3
#define PAGES       4
extern const char *const demo_customers[CUSTOMERS], *const demo_first_names[FIRST_NAMES];
extern const char *const demo_last_names[LAST_NAMES], *const demo_browsers[BROWSERS],
                                                          *const demo_pages[PAGES];
struct city {
    const char *name, *country;
    double lat, lon;
};
extern const struct city demo_cities[CITIES];

struct text {
    char chars[48];
};
struct text maker_user(struct maker *m);
struct text maker_host(struct maker *m, const char *kind);
/* One of 203.0.113.0/24 and the upper half of 192.0.2.0/24: addresses that documentation may use and nobody
 * has (RFC 5737). Ordinary people have the lower half. */
struct text maker_attacker(struct maker *m);

/* ---- events ---- */

void maker_begin(struct maker *m, int64_t time_ns); /* until maker_end: fields */
void maker_field(struct maker *m, const char *path, const char *value);
void maker_end(struct maker *m);
/* The time of the i-th of `count` events of which the last is now, `step_ns` apart. */
int64_t maker_time(const struct maker *m, unsigned i, unsigned count, int64_t step_ns);

struct visit {
    const char *ip, *agent, *method, *path;
    int status;
};
void maker_begin_visit(struct maker *m, int64_t time_ns, const struct visit *visit);

struct sign_in {
    const char *user, *ip, *action, *outcome;
};
void maker_begin_sign_in(struct maker *m, int64_t time_ns, const struct sign_in *s);
void maker_failed_sign_in(struct maker *m, int64_t time_ns, const char *user, const char *ip);
/* Where and when, and what the sender knows of the sign-in before; `from` NULL: nothing. */
struct stop {
    int64_t time_ns, elapsed_ns;
    const struct city *city, *from;
};
void maker_sign_in_at(struct maker *m, const struct sign_in *s, const struct stop *stop);

struct process {
    const char *executable, *command_line, *parent;
};
struct seat {
    const char *host, *user;
};
void maker_process(struct maker *m, int64_t time_ns, struct seat seat, const struct process *process);
void maker_question(struct maker *m, int64_t time_ns, const char *host, const char *name);

#define SYSTEM32   "C:\\Windows\\System32\\"
#define POWERSHELL SYSTEM32 "WindowsPowerShell\\v1.0\\powershell.exe"
#define WINWORD    "C:\\Program Files\\Microsoft Office\\root\\Office16\\WINWORD.EXE"
#define EXPLORER   "C:\\Windows\\explorer.exe"

#endif
