#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rules/tree.h"

/* One folder on the way down. */
struct walk {
    const struct tree_place *place;
    int fd;
    struct str name; /* below the root, "" for the root */
    unsigned depth;
    bool linked; /* reached through a link: further links are not followed, so that no loop can be */
};

/* What was listed a moment ago and is gone now: somebody is changing the tree, so read all of it again. */
static int vanished(const struct tree_place *place, struct str name, struct err *err)
{
    return err_set(err, ERR_BUSY, "%.*s/%.*s: the files changed while they were read", STR_ARG(place->shown),
                   STR_ARG(name));
}

static int io_error(const struct walk *walk, struct str name, int errnum, struct err *err)
{
    if (errnum == ENOENT || errnum == ESTALE)
        return vanished(walk->place, name, err);
    return err_errno(err, ERR_IO, errnum, "cannot read %.*s/%.*s", STR_ARG(walk->place->shown),
                     STR_ARG(name));
}

/* Reads at most limit + 1 bytes: enough to see that there are too many. */
static int read_all(int fd, size_t limit, struct buf *out)
{
    while (out->len <= limit) {
        size_t want = limit + 1 - out->len;
        if (want > 64 << 10)
            want = 64 << 10;
        ssize_t got = read(fd, buf_reserve(out, want), want);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return errno;
        if (got == 0)
            return 0;
        buf_grew(out, (size_t)got);
    }
    return 0;
}

static int take_file(const struct walk *walk, const char *entry, struct str name, struct err *err)
{
    struct buf text = BUF_EMPTY;
    int result = -1;
    /* Without O_NONBLOCK a FIFO put into the folder would hold the reload for ever. */
    int fd = openat(walk->fd, entry, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return io_error(walk, name, errno, err);
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        result = 0;
        goto out;
    }
    int errnum = read_all(fd, tree_limit(name), &text);
    if (errnum != 0) {
        io_error(walk, name, errnum, err);
        goto out;
    }
    result = tree_add(walk->place, name, text.ptr ? buf_str(&text) : STR(""), err);
out:
    close(fd);
    buf_free(&text);
    return result;
}

static int take_folder(const struct walk *walk, const char *entry, struct walk below, struct err *err);

static int take_entry(const struct walk *walk, const char *entry, struct err *err)
{
    char *path = walk->name.len
                     ? arena_printf(walk->place->tree->arena, "%.*s/%s", STR_ARG(walk->name), entry)
                     : arena_printf(walk->place->tree->arena, "%s", entry);
    struct walk below = {walk->place, -1, str_from(path), walk->depth + 1, walk->linked};
    struct stat st;
    if (fstatat(walk->fd, entry, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return io_error(walk, below.name, errno, err);
    if (S_ISLNK(st.st_mode)) {
        if (walk->linked) {
            report_add(&walk->place->tree->notes, PROBLEM_WARNING, path,
                       "a link inside a linked folder is not followed");
            return 0;
        }
        if (fstatat(walk->fd, entry, &st, 0) != 0)
            return io_error(walk, below.name, errno, err);
        below.linked = true;
    }
    if (S_ISDIR(st.st_mode))
        return take_folder(walk, entry, below, err);
    return S_ISREG(st.st_mode) && tree_wants(str_from(entry)) ? take_file(walk, entry, below.name, err) : 0;
}

static int name_order(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

struct names {
    VEC(char *) list;
};

/* At most `most`, and one more where there are more. */
static int list_names(int fd, struct names *names, size_t most)
{
    int again = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = again < 0 ? NULL : fdopendir(again);
    if (dir == NULL) {
        int errnum = errno;
        if (again >= 0)
            close(again);
        return errnum;
    }
    for (const struct dirent *entry; names->list.count <= most && (entry = readdir(dir)) != NULL;)
        if (entry->d_name[0] != '.')
            vec_push(&names->list, mem_dup(entry->d_name, strlen(entry->d_name)));
    closedir(dir);
    if (names->list.count)
        qsort(names->list.items, names->list.count, sizeof(char *), name_order);
    return 0;
}

/* What the kubelet swaps: "..data" names the version that all other links of the folder lead into. */
static bool data_link(int fd, char out[PATH_MAX])
{
    ssize_t len = readlinkat(fd, "..data", out, PATH_MAX - 1);
    out[len > 0 ? len : 0] = '\0';
    return len > 0;
}

static int count_names(const struct walk *walk, size_t count, struct err *err)
{
    struct tree *tree = walk->place->tree;
    tree->entries += count;
    return tree->entries <= TREE_ENTRIES_MAX
               ? 0
               : err_set(err, ERR_LIMIT,
                         "the roots hold more than %d files and folders, up to %.*s/%.*s: name a folder that "
                         "holds rules only",
                         TREE_ENTRIES_MAX, STR_ARG(walk->place->shown), STR_ARG(walk->name));
}

static int walk_folder(const struct walk *walk, struct err *err)
{
    if (walk->depth > TREE_DEPTH_MAX)
        return err_set(err, ERR_LIMIT, "%.*s: folders are nested more than %d deep", STR_ARG(walk->name),
                       TREE_DEPTH_MAX);
    char before[PATH_MAX], after[PATH_MAX];
    bool swapped = data_link(walk->fd, before);
    struct names names = {0};
    int errnum = list_names(walk->fd, &names, TREE_ENTRIES_MAX - walk->place->tree->entries);
    int result = errnum ? io_error(walk, walk->name, errnum, err) : count_names(walk, names.list.count, err);
    for (size_t i = 0; result == 0 && i < names.list.count; i++)
        result = take_entry(walk, names.list.items[i], err);
    if (result == 0 && swapped && (!data_link(walk->fd, after) || strcmp(before, after) != 0))
        result = vanished(walk->place, walk->name, err);
    for (size_t i = 0; i < names.list.count; i++)
        free(names.list.items[i]);
    vec_free(&names.list);
    return result;
}

static int take_folder(const struct walk *walk, const char *entry, struct walk below, struct err *err)
{
    below.fd = openat(walk->fd, entry, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (below.fd < 0)
        return io_error(walk, below.name, errno, err);
    int result = walk_folder(&below, err);
    close(below.fd);
    return result;
}

int tree_walk(const struct tree_place *place, const char *path, struct err *err)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return err_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno, "cannot read the root %s",
                         path);
    if (S_ISREG(st.st_mode)) {
        struct tree_place alone = *place;
        struct walk walk = {.place = &alone, .fd = AT_FDCWD};
        struct str name = place->shown;
        alone.shown = STR("");
        if (!tree_wants(name))
            return err_set(err, ERR_INVALID, "%s is no .lua, .txt, .csv or .tar.gz file", path);
        return take_file(&walk, path, name, err);
    }
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_errno(err, ERR_IO, errno, "cannot read the root %s", path);
    struct walk walk = {.place = place, .fd = fd};
    int result = walk_folder(&walk, err);
    close(fd);
    return result;
}
