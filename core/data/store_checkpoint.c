#include <stdlib.h>

#include "base/log.h"
#include "data/store_sqlite.h"
#include "loop/thread.h"

struct checkpoint {
    struct sql sql; /* touched by its thread only, once that runs */
    struct thread *thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool wanted, stop; /* under the lock */
};

/* Passive: takes what no reader needs and waits for nobody. What is left comes with the next one. */
static void run_once(struct checkpoint *checkpoint)
{
    int code = sqlite3_wal_checkpoint_v2(checkpoint->sql.db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    if (code != SQLITE_OK && code != SQLITE_BUSY)
        LOG(LOG_ERROR, "store.checkpoint_failed", log_int("sqlite", code));
}

static void checkpoint_main(void *arg)
{
    struct checkpoint *checkpoint = arg;
    pthread_mutex_lock(&checkpoint->lock);
    while (!checkpoint->stop) {
        if (!checkpoint->wanted) {
            pthread_cond_wait(&checkpoint->changed, &checkpoint->lock);
            continue;
        }
        checkpoint->wanted = false;
        pthread_mutex_unlock(&checkpoint->lock);
        run_once(checkpoint);
        pthread_mutex_lock(&checkpoint->lock);
    }
    pthread_mutex_unlock(&checkpoint->lock);
}

struct checkpoint *store_checkpoint_start(const char *path, struct err *err)
{
    struct checkpoint *checkpoint = mem_zalloc(1, sizeof *checkpoint);
    pthread_mutex_init(&checkpoint->lock, NULL);
    pthread_cond_init(&checkpoint->changed, NULL);
    if (sql_open(&checkpoint->sql, path, NULL, 0, err) == 0 &&
        (checkpoint->thread = thread_start("checkpoint", checkpoint_main, checkpoint, err)))
        return checkpoint;
    store_checkpoint_stop(checkpoint);
    return NULL;
}

void checkpoint_wake(struct checkpoint *checkpoint)
{
    pthread_mutex_lock(&checkpoint->lock);
    checkpoint->wanted = true;
    pthread_cond_signal(&checkpoint->changed);
    pthread_mutex_unlock(&checkpoint->lock);
}

void store_checkpoint_stop(struct checkpoint *checkpoint)
{
    if (!checkpoint)
        return;
    if (checkpoint->thread) {
        pthread_mutex_lock(&checkpoint->lock);
        checkpoint->stop = true;
        pthread_cond_signal(&checkpoint->changed);
        pthread_mutex_unlock(&checkpoint->lock);
        thread_join(checkpoint->thread);
    }
    sql_close(&checkpoint->sql);
    pthread_cond_destroy(&checkpoint->changed);
    pthread_mutex_destroy(&checkpoint->lock);
    free(checkpoint);
}
