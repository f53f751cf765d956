/* How one vendor's records become ECS: compiled from a source file, applied in C on the parsed event. A
 * mapped field is an alias: vendor path and ECS path name the same value, nothing is copied. Every part reads
 * the record as it came, so the order in which parts are added means nothing; only the default time,
 * @timestamp, is read after mapping. A path is mapped once: a second time is ERR_CONFLICT. Built by the
 * loader, then immutable. */
#ifndef LUNETTE_EVENT_SOURCE_MAP_H
#define LUNETTE_EVENT_SOURCE_MAP_H

#include "event/event.h"

/* What an `as` makes of each value; null stays null. What does not fit is kept raw and marked
 * QUALITY_CONVERT. ip: an address in its canonical text, IPv4 inside IPv6 as IPv4. integer: decimal text or a
 * number without a fraction. number: any decimal text. boolean: true/false, yes/no, 1/0 in any case. string:
 * the number's text. lower: folded. timestamp: any form that TIME_ANY takes, as RFC 3339 in UTC with
 * milliseconds. */
enum source_as { AS_RAW, AS_IP, AS_INTEGER, AS_NUMBER, AS_BOOLEAN, AS_STRING, AS_LOWER, AS_TIMESTAMP };
/* False for an unknown name: ip integer number boolean string lower timestamp. */
bool source_as_named(struct str name, enum source_as *as);

struct source_map;
struct source_map *source_map_new(struct fields *fields); /* interns the paths that follow */
void source_map_free(struct source_map *map);

/* ECS path <- the first present of `from` (join = false), or the first values of all of them joined by ':'
 * (join = true; absent if one is missing). Null is not present. 1 to 16 paths. */
struct source_field {
    struct str path;
    const struct str *from;
    size_t from_count;
    bool join;
    enum source_as as;
};
int source_map_field(struct source_map *map, const struct source_field *field, struct err *err);
/* ECS path <- vendor path through a table of texts; compared exactly. Without an entry the raw value stays,
 * marked. */
int source_map_values(struct source_map *map, struct str path, struct str from, const struct str (*pairs)[2],
                      size_t count, struct err *err);
int source_map_const(struct source_map *map, struct str path, const struct value *value, struct err *err);
/* Pattern "%{event.reason} by %{user.full_name}": literal text and fields, at least one literal between two
 * fields, at most 32 fields. A field ends at the first place where the literal behind it stands; the pattern
 * fits the whole text. %{} and %{?name} skip. A record that does not fit is left alone, marked
 * QUALITY_DISSECT. */
int source_map_dissect(struct source_map *map, struct str from, struct str pattern, struct err *err);
/* Event time: first present of `from` in `format`; or accept time (accept = true). Default: @timestamp, any
 * format. */
int source_map_time(struct source_map *map, const struct str *from, size_t count, enum time_format format,
                    bool accept, struct err *err);

/* Which steps are needed follows from what is wanted: a step whose path somebody reads wants what it reads
 * itself. True when that wanted anything new: call for all maps until none does, then fields_freeze. Without
 * it every step is applied. */
bool source_map_settle(struct source_map *map);

/* Applies the map (NULL: only the default time) and sets time_ns, clamped: later than accepted_ns + 2 min is
 * accepted_ns, marked. event->accepted_ns must be set. A mapped path that got a value wins over one the
 * record brings, marked QUALITY_SHADOWED. Allocates in `arena` only. */
void source_map_apply(const struct source_map *map, struct event *event, struct arena *arena);

/* The same with every step, wanted or not: on an event that was parsed in whole. */
void source_map_apply_whole(const struct source_map *map, struct event *event, struct arena *arena);

#endif
