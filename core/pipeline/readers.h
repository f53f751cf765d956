/* Two threads that answer queries from the store, so that a slow one stops nobody. */
#ifndef LUNETTE_PIPELINE_READERS_H
#define LUNETTE_PIPELINE_READERS_H

#include "data/store.h"
#include "loop/mailbox.h"

struct readers;

/* A question: travels to a reader thread and, where `reply_to` is set, back to that box; else `done` runs on
 * the reader thread. A slot in reply_to is reserved by readers_ask. */
struct query {
    struct mail mail;
    void (*run)(struct query *query, struct store_reader *reader); /* on a reader thread */
    void (*done)(struct query *query);
    struct mailbox *reply_to;
};

struct readers *readers_start(struct store *store, struct err *err);
void readers_stop(struct readers *readers);                     /* answers what waits, then ends */
bool readers_ask(struct readers *readers, struct query *query); /* any thread; false: busy */

#endif
