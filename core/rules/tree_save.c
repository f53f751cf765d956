/* The last good tree as one file: magic, files, SHA-256 over all before it. One rename makes it the current
 * one, so a crash leaves the old or the new, never half of one. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "rules/tree.h"

#define SAVE_NAME  "rules.last-good"
#define SAVE_MAGIC "LUNETREE1\n"
#define SAVE_MAX   (TREE_BYTES_MAX + ((size_t)64 << 20))

static void encode(const struct tree *tree, struct buf *out)
{
    buf_puts(out, SAVE_MAGIC);
    buf_put_u32(out, (uint32_t)tree->files.count);
    for (size_t i = 0; i < tree->files.count; i++) {
        const struct tree_file *file = &tree->files.items[i];
        buf_put_u8(out, (uint8_t)file->kind);
        buf_put_u32(out, file->root);
        buf_put_lstr(out, file->path);
        buf_put_lstr(out, file->name);
        buf_put_lstr(out, file->text);
    }
    uint8_t sum[32];
    hash_sha256(buf_str(out), sum);
    buf_add(out, sum, sizeof(sum));
}

static bool decode_file(struct str *at, struct tree *tree)
{
    uint8_t kind;
    struct tree_file file = {0};
    if (!str_get_u8(at, &kind) || kind > TREE_PLUGINS || !str_get_u32(at, &file.root) ||
        !str_get_lstr(at, &file.path) || !str_get_lstr(at, &file.name) || !str_get_lstr(at, &file.text))
        return false;
    file.kind = kind;
    file.path = arena_dup(tree->arena, file.path);
    file.name = arena_dup(tree->arena, file.name);
    file.text = arena_dup(tree->arena, file.text);
    vec_push(&tree->files, file);
    return true;
}

static struct tree *decode(struct str data, struct err *err)
{
    struct str magic = STR(SAVE_MAGIC);
    uint8_t sum[32];
    if (data.len < magic.len + sizeof(sum) + 4 || !str_starts(data, magic))
        goto corrupt;
    struct str body = {data.ptr, data.len - sizeof(sum)};
    hash_sha256(body, sum);
    if (memcmp(sum, data.ptr + body.len, sizeof(sum)) != 0)
        goto corrupt;
    struct str at = {body.ptr + magic.len, body.len - magic.len};
    uint32_t count;
    bool whole = str_get_u32(&at, &count);
    struct tree *tree = tree_new();
    for (uint32_t i = 0; whole && i < count; i++)
        whole = decode_file(&at, tree);
    if (whole && at.len == 0) {
        tree_finish(tree);
        return tree;
    }
    tree_free(tree);
corrupt:
    err_set(err, ERR_CORRUPT, "the saved rules (%s) are damaged", SAVE_NAME);
    return NULL;
}

static int write_all(int fd, struct str data)
{
    while (data.len) {
        ssize_t wrote = write(fd, data.ptr, data.len);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0)
            return -1;
        data.ptr += wrote;
        data.len -= (size_t)wrote;
    }
    return 0;
}

int tree_save(const struct tree *tree, const char *dir, struct err *err)
{
    char path[PATH_MAX], next[PATH_MAX];
    struct buf data = BUF_EMPTY;
    int result = -1, folder = -1;
    snprintf(path, sizeof(path), "%s/%s", dir, SAVE_NAME);
    snprintf(next, sizeof(next), "%s/%s.new", dir, SAVE_NAME);
    int fd = open(next, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        err_errno(err, ERR_IO, errno, "cannot write %s", next);
        goto out;
    }
    encode(tree, &data);
    if (write_all(fd, buf_str(&data)) != 0 || fsync(fd) != 0) {
        err_errno(err, ERR_IO, errno, "cannot write %s", next);
        goto out;
    }
    folder = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (rename(next, path) != 0 || folder < 0 || fsync(folder) != 0) {
        err_errno(err, ERR_IO, errno, "cannot replace %s", path);
        goto out;
    }
    result = 0;
out:
    if (fd >= 0)
        close(fd);
    if (folder >= 0)
        close(folder);
    buf_free(&data);
    return result;
}

static int read_file(int fd, struct buf *out, struct err *err)
{
    for (;;) {
        ssize_t got = read(fd, buf_reserve(out, 64 << 10), 64 << 10);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_errno(err, ERR_IO, errno, "cannot read the saved rules");
        if (got == 0)
            return 0;
        buf_grew(out, (size_t)got);
        if (out->len > SAVE_MAX)
            return err_set(err, ERR_CORRUPT, "the saved rules (%s) are damaged", SAVE_NAME);
    }
}

struct tree *tree_restore(const char *dir, struct err *err)
{
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/%s", dir, SAVE_NAME);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        err_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno, "cannot read %s", path);
        return NULL;
    }
    struct buf data = BUF_EMPTY;
    struct tree *tree = read_file(fd, &data, err) == 0 ? decode(buf_str(&data), err) : NULL;
    close(fd);
    buf_free(&data);
    return tree;
}
