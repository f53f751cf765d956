#include "loop/watch.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/vec.h"

#define FOLDERS_MAX   8192
#define DEPTH_MAX     32
#define WATCH_LONGEST 20 /* a tree that never rests is reported after that many quiet_ns all the same */
#define LINK_EVENTS   (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO)
#define SELF_EVENTS   (IN_DELETE_SELF | IN_MOVE_SELF)
#define TREE_EVENTS   (LINK_EVENTS | SELF_EVENTS | IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB)

/* One watched folder. inotify counts inodes, not paths: a link to a folder that is watched already gives the
 * same number, which also ends cycles of links. */
struct folder {
    int wd;
    unsigned scan;     /* the last scan that met it */
    bool inside;       /* of a tree: everything counts; else only `names` */
    VEC(char *) names; /* links and roots in it that the way to a root goes through */
};

struct watch_tree {
    int fd;
    struct watch_fd *watch;
    struct timer *timer;
    int64_t quiet_ns, first_change; /* 0: nothing happened since the last call */
    unsigned scan;
    void (*changed)(void *arg);
    void *arg;
    VEC(char *) roots;
    VEC(struct folder) folders;
};

static struct folder *folder_find(struct watch_tree *tree, int wd)
{
    for (size_t i = 0; i < tree->folders.count; i++)
        if (tree->folders.items[i].wd == wd)
            return &tree->folders.items[i];
    return NULL;
}

static void folder_clear_names(struct folder *folder)
{
    for (size_t i = 0; i < folder->names.count; i++)
        free(folder->names.items[i]);
    vec_free(&folder->names);
}

static void folder_forget(struct watch_tree *tree, struct folder *folder)
{
    folder_clear_names(folder);
    *folder = tree->folders.items[--tree->folders.count];
}

/* NULL where there is no such folder, or no room to watch it. */
static struct folder *folder_meet(struct watch_tree *tree, const char *path, uint32_t events)
{
    if (tree->folders.count >= FOLDERS_MAX) {
        LOG(LOG_WARN, "watch.too_many_folders", log_int("limit", FOLDERS_MAX));
        return NULL;
    }
    int wd = inotify_add_watch(tree->fd, path, events | IN_ONLYDIR | IN_MASK_ADD);
    if (wd < 0) {
        if (errno == ENOSPC || errno == ENOMEM)
            LOG(LOG_ERROR, "watch.refused", log_text("reason", strerror(errno)));
        return NULL;
    }
    struct folder *folder = folder_find(tree, wd);
    if (!folder) {
        vec_push(&tree->folders, ((struct folder){.wd = wd}));
        folder = &tree->folders.items[tree->folders.count - 1];
    }
    if (folder->scan != tree->scan) {
        folder->scan = tree->scan;
        folder->inside = false;
        folder_clear_names(folder);
    }
    return folder;
}

static char *path_join(const char *path, const char *name)
{
    char *joined;
    if (asprintf(&joined, "%s/%s", path, name) < 0)
        die("out of memory");
    return joined;
}

static bool may_be_folder(const struct dirent *entry)
{
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
        strcmp(entry->d_name, ".git") == 0)
        return false;
    return entry->d_type == DT_DIR || entry->d_type == DT_LNK || entry->d_type == DT_UNKNOWN;
}

/* The watch comes before the listing, so that nothing slips in between. */
static void scan_inside(struct watch_tree *tree, const char *path, int depth)
{
    struct folder *folder = depth < DEPTH_MAX ? folder_meet(tree, path, TREE_EVENTS) : NULL;
    if (!folder || folder->inside)
        return;
    folder->inside = true;
    DIR *listing = opendir(path);
    if (!listing)
        return;
    for (struct dirent *entry; (entry = readdir(listing));) {
        if (!may_be_folder(entry))
            continue;
        char *child = path_join(path, entry->d_name);
        scan_inside(tree, child, depth + 1);
        free(child);
    }
    closedir(listing);
}

static void scan_name(struct watch_tree *tree, const char *folder_path, const char *name)
{
    struct folder *folder = folder_meet(tree, folder_path, LINK_EVENTS | SELF_EVENTS);
    if (folder)
        vec_push(&folder->names, mem_dup(name, strlen(name)));
}

/* Looks at one part of the way to a root: its own name, a link, or the first part that is missing gets
 * watched. False where the way ends. */
static bool scan_part(struct watch_tree *tree, const char *root, size_t start, size_t end)
{
    char *folder = start ? mem_dup(root, start) : mem_dup(".", 1);
    char *name = mem_dup(root + start, end - start);
    char *path = mem_dup(root, end);
    struct stat st;
    bool missing = lstat(path, &st) != 0;
    bool last = root[end] == '\0';
    if (missing || last || S_ISLNK(st.st_mode))
        scan_name(tree, folder, name);
    free(folder);
    free(name);
    free(path);
    return !missing && !last;
}

static void scan_way(struct watch_tree *tree, const char *root)
{
    size_t start = 0, end;
    do {
        start += strspn(root + start, "/");
        end = start + strcspn(root + start, "/");
        if (end == start || !scan_part(tree, root, start, end))
            return;
        start = end;
    } while (true);
}

static void scan(struct watch_tree *tree)
{
    tree->scan++;
    for (size_t i = 0; i < tree->roots.count; i++) {
        scan_way(tree, tree->roots.items[i]);
        scan_inside(tree, tree->roots.items[i], 0);
    }
    for (size_t i = tree->folders.count; i-- > 0;) {
        struct folder *folder = &tree->folders.items[i];
        if (folder->scan == tree->scan)
            continue;
        inotify_rm_watch(tree->fd, folder->wd);
        folder_forget(tree, folder);
    }
}

static void settled(void *arg)
{
    struct watch_tree *tree = arg;
    tree->first_change = 0;
    scan(tree);
    tree->changed(tree->arg); /* may free the tree */
}

static void note_change(struct watch_tree *tree)
{
    int64_t now = clock_monotonic();
    if (!tree->first_change)
        tree->first_change = now;
    int64_t latest = tree->first_change + WATCH_LONGEST * tree->quiet_ns - now;
    timer_start(tree->timer, latest < tree->quiet_ns ? latest : tree->quiet_ns, false);
}

static bool folder_names(const struct folder *folder, const char *name)
{
    for (size_t i = 0; i < folder->names.count; i++)
        if (strcmp(folder->names.items[i], name) == 0)
            return true;
    return false;
}

/* True where the event concerns a tree. */
static bool take_event(struct watch_tree *tree, const struct inotify_event *event)
{
    if (event->mask & IN_Q_OVERFLOW)
        return true;
    struct folder *folder = folder_find(tree, event->wd);
    if (!folder)
        return false;
    if (event->mask & IN_IGNORED) {
        folder_forget(tree, folder);
        return false;
    }
    if (folder->inside || (event->mask & SELF_EVENTS))
        return true;
    return event->len > 0 && folder_names(folder, event->name);
}

static void on_events(int fd, void *arg)
{
    struct watch_tree *tree = arg;
    char bytes[16384] __attribute__((aligned(__alignof__(struct inotify_event))));
    bool changed = false, relinked = false;
    ssize_t len = read(fd, bytes, sizeof bytes);
    for (ssize_t at = 0; at < len;) {
        const struct inotify_event *event = (const void *)(bytes + at);
        at += (ssize_t)sizeof *event + event->len;
        if (!take_event(tree, event))
            continue;
        changed = true;
        relinked |= (event->mask & (LINK_EVENTS | SELF_EVENTS | IN_Q_OVERFLOW)) != 0;
    }
    if (relinked)
        scan(tree);
    if (changed)
        note_change(tree);
}

static char *root_dup(const char *root)
{
    size_t len = strlen(root);
    while (len > 1 && root[len - 1] == '/')
        len--;
    return mem_dup(root, len);
}

struct watch_tree *watch_tree_new(struct loop *loop, const char *const *roots, size_t count, int64_t quiet_ns,
                                  void (*changed)(void *arg), void *arg, struct err *err)
{
    int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (fd < 0) {
        err_errno(err, ERR_IO, errno, "cannot watch files");
        return NULL;
    }
    struct watch_tree *tree = mem_zalloc(1, sizeof *tree);
    tree->fd = fd;
    tree->quiet_ns = quiet_ns;
    tree->changed = changed;
    tree->arg = arg;
    for (size_t i = 0; i < count; i++)
        vec_push(&tree->roots, root_dup(roots[i]));
    tree->timer = timer_new(loop, settled, tree);
    tree->watch = loop_watch_fd(loop, fd, on_events, tree);
    scan(tree);
    return tree;
}

void watch_tree_free(struct watch_tree *tree)
{
    if (!tree)
        return;
    loop_unwatch_fd(tree->watch);
    timer_free(tree->timer);
    close(tree->fd);
    for (size_t i = 0; i < tree->folders.count; i++)
        folder_clear_names(&tree->folders.items[i]);
    for (size_t i = 0; i < tree->roots.count; i++)
        free(tree->roots.items[i]);
    vec_free(&tree->folders);
    vec_free(&tree->roots);
    free(tree);
}
