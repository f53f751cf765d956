/* lunette backup: a consistent copy of the threats, also while a server runs. */
#include <stdio.h>
#include <unistd.h>

#include "app/cli.h"
#include "data/store.h"

static int backup(const char *from, const char *to, bool force, struct err *err)
{
    if (access(from, R_OK) != 0)
        return err_set(err, ERR_NOT_FOUND, "%s is not there", from);
    if (!force && access(to, F_OK) == 0)
        return err_set(err, ERR_CONFLICT, "%s is there already; --force replaces it", to);
    struct store *store = store_open(from, err);
    if (store == NULL)
        return -1;
    int rc = store_backup(store, to, err);
    store_close(store);
    return rc;
}

int cli_backup(struct cli *cli)
{
    struct err err = {0};
    struct buf path = BUF_EMPTY;
    buf_printf(&path, "%s/lunette.db", cli->data);
    int rc = backup(path.ptr, cli->args[0], cli->force, &err);
    buf_free(&path);
    if (rc != 0) {
        fprintf(stderr, "lunette backup: %s\n", err_text(&err));
        return EXIT_USAGE;
    }
    printf("%s\n", cli->args[0]);
    return EXIT_OK;
}
