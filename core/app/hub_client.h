/* One dashboard's connection: what it may see, what it asked for, and how far it has been told. Hub thread
 * only. */
#ifndef LUNETTE_APP_HUB_CLIENT_H
#define LUNETTE_APP_HUB_CLIENT_H

#include "app/hub.h"

/* What a client subscribed to: the names of the list query that a change can be held against. */
struct hub_filter {
    unsigned severities, statuses; /* bit sets; 0: all */
    char customer[129], type[129], rule[129], assignee[129];
    int review; /* -1: all */
};
/* From {"severity":"high,critical",…}. False, and *field, for one that is unknown or wrong. */
struct json;
bool hub_filter_parse(const struct json *json, struct hub_filter *filter, struct str *field);

/* What a filter needs to know of a committed change, and its two texts. */
struct hub_message {
    uint64_t seq;    /* 0: not a change: `row` is the message */
    bool counts_all; /* of all customers together: not for a client that is bound to one */
    bool is_new, review;
    enum severity severity;
    enum threat_status status;
    struct str customer, type, rule, assignee; /* in the arena */
    struct str row, full;
    struct arena *arena;
};
struct hub_message *hub_message_new(const struct change *change);
struct hub_message *hub_message_raw(struct str json, bool counts_all);
void hub_message_free(struct hub_message *message);
bool hub_filter_message(const struct hub_filter *filter, const char *customer,
                        const struct hub_message *message);

#endif
