#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "data/store_sqlite.h"

static bool same_file(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* One step takes all pages in one read transaction: the copy is of one moment, and in a WAL nobody waits. */
static int copy(struct sql *from, struct sql *to, struct err *err)
{
    sqlite3_backup *backup = sqlite3_backup_init(to->db, "main", from->db, "main");
    if (backup) {
        sqlite3_backup_step(backup, -1);
        sqlite3_backup_finish(backup);
    }
    int code = sqlite3_errcode(to->db);
    if (code != SQLITE_OK)
        return err_set(err, ERR_IO, "the backup cannot be written: %s", sqlite3_errmsg(to->db));
    return 0;
}

static int sync_path(const char *path, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int failed = fd < 0 || fsync(fd) ? errno : 0;
    if (fd >= 0)
        close(fd);
    return failed ? err_errno(err, ERR_IO, failed, "the backup cannot be synced") : 0;
}

static int copy_to(struct store *store, const char *partial, struct err *err)
{
    struct sql from = {0}, to = {0};
    int result = -1;
    if (sql_open(&from, store->name, NULL, 0, err) == 0 && sql_open(&to, partial, NULL, 0, err) == 0) {
        if (store->memory)
            pthread_rwlock_rdlock(&store->lock);
        result = copy(&from, &to, err);
        if (store->memory)
            pthread_rwlock_unlock(&store->lock);
    }
    sql_close(&from);
    sql_close(&to);
    return result ? -1 : sync_path(partial, err);
}

int store_backup(struct store *store, const char *path, struct err *err)
{
    if (!store->memory && same_file(store->name, path))
        return err_set(err, ERR_INVALID, "expected another file than the store itself: %s", path);
    struct buf partial = BUF_EMPTY;
    buf_printf(&partial, "%s.partial", path);
    unlink(partial.ptr);
    int result = copy_to(store, partial.ptr, err);
    if (result == 0 && rename(partial.ptr, path))
        result = err_errno(err, ERR_IO, errno, "the backup cannot be renamed");
    if (result) {
        unlink(partial.ptr);
        err_at(err, "%s", path);
    }
    buf_free(&partial);
    return result;
}
