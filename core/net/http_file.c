#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/http_internal.h"

enum { FILE_MAX = 64 << 20 };

static const char *type_of(struct str path)
{
    static const struct {
        const char *ending, *type;
    } types[] = {
        {".html", "text/html; charset=utf-8"},
        {".js", "text/javascript; charset=utf-8"},
        {".mjs", "text/javascript; charset=utf-8"},
        {".css", "text/css; charset=utf-8"},
        {".json", "application/json"},
        {".map", "application/json"},
        {".webmanifest", "application/manifest+json"},
        {".svg", "image/svg+xml"},
        {".png", "image/png"},
        {".jpg", "image/jpeg"},
        {".jpeg", "image/jpeg"},
        {".gif", "image/gif"},
        {".webp", "image/webp"},
        {".ico", "image/x-icon"},
        {".woff", "font/woff"},
        {".woff2", "font/woff2"},
        {".ttf", "font/ttf"},
        {".wasm", "application/wasm"},
        {".txt", "text/plain; charset=utf-8"},
        {".md", "text/markdown; charset=utf-8"},
        {".xml", "application/xml"},
        {".yaml", "application/yaml"},
    };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (str_ends(path, str_from(types[i].ending)))
            return types[i].type;
    return "application/octet-stream";
}

/* Walks down one folder at a time and follows no link, so that what comes out lies below the root whatever
 * the path says. -1: not there, or not to be seen. */
static int open_below(const char *root, struct str path)
{
    int at = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    while (at >= 0) {
        const char *slash = path.len ? memchr(path.ptr, '/', path.len) : NULL;
        size_t len = slash ? (size_t)(slash - path.ptr) : path.len;
        char name[NAME_MAX + 1];
        int next = -1;
        if (len > 0 && len <= NAME_MAX && *path.ptr != '.' && !memchr(path.ptr, '\0', len)) {
            memcpy(name, path.ptr, len);
            name[len] = '\0';
            next = openat(at, name,
                          O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | (slash ? O_PATH | O_DIRECTORY : O_RDONLY));
        }
        close(at);
        if (!slash)
            return next;
        at = next;
        path = (struct str){slash + 1, path.len - len - 1};
    }
    return -1;
}

static int open_file(const char *root, struct str path, struct stat *st)
{
    int fd = open_below(root, path);
    if (fd >= 0 && (fstat(fd, st) || !S_ISREG(st->st_mode) || st->st_size > FILE_MAX)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static bool read_file(int fd, size_t size, struct buf *out)
{
    while (out->len < size) {
        ssize_t got = read(fd, buf_reserve(out, size - out->len), size - out->len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        buf_grew(out, (size_t)got);
    }
    return true;
}

/* The tags are compared weakly, as RFC 9110 13.1.2 wants it; what is not in quotes is no tag. */
static bool tag_listed(struct str list, const char *tag)
{
    struct str wanted = str_from(tag), item;
    while (str_next(&list, ',', &item)) {
        while (item.len && (*item.ptr == ' ' || *item.ptr == '\t'))
            item.ptr++, item.len--;
        while (item.len && (item.ptr[item.len - 1] == ' ' || item.ptr[item.len - 1] == '\t'))
            item.len--;
        if (str_starts(item, STR("W/")))
            item.ptr += 2, item.len -= 2;
        if (str_equal(item, wanted) || str_is(item, "*"))
            return true;
    }
    return false;
}

static bool unchanged_since(struct str since, time_t modified)
{
    char text[64];
    struct tm tm = {0};
    if (since.len >= sizeof text || since.len == 0)
        return false;
    memcpy(text, since.ptr, since.len);
    text[since.len] = '\0';
    const char *end = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    if (!end || *end)
        return false;
    time_t at = timegm(&tm);
    return at <= time(NULL) && modified <= at;
}

static bool client_has_it(const struct http_request *request, const char *tag, time_t modified)
{
    struct str tags = http_header(request, "if-none-match");
    if (tags.ptr)
        return tag_listed(tags, tag);
    return unchanged_since(http_header(request, "if-modified-since"), modified);
}

static void respond_with(struct http_request *request, int fd, const struct stat *st, struct str path)
{
    char tag[64], modified[32];
    snprintf(tag, sizeof tag, "\"%" PRIx64 "-%" PRIx64 "%08lx\"", (uint64_t)st->st_size,
             (uint64_t)st->st_mtim.tv_sec, (unsigned long)st->st_mtim.tv_nsec);
    http_format_date(st->st_mtim.tv_sec, modified);
    http_set_header(request, "ETag", tag);
    http_set_header(request, "Last-Modified", modified);
    /* the bundler puts a hash of the content into the names below assets/ */
    bool hashed = str_starts(path, STR("assets/"));
    http_set_header(request, "Cache-Control", hashed ? "public, max-age=31536000, immutable" : "no-cache");
    struct buf body = BUF_EMPTY;
    if (client_has_it(request, tag, st->st_mtim.tv_sec))
        http_respond(request, 304, NULL, (struct str){0});
    else if (read_file(fd, (size_t)st->st_size, &body))
        http_respond(request, 200, type_of(path), buf_str(&body));
    else
        http_problem(request, 500, "the file changed while it was read");
    buf_free(&body);
}

bool http_respond_file(struct http_request *request, const char *root, struct str path)
{
    struct stat st;
    while (path.len && *path.ptr == '/')
        path.ptr++, path.len--;
    const char *slash = path.len ? memrchr(path.ptr, '/', path.len) : NULL;
    const char *name = slash ? slash + 1 : path.ptr;
    bool page = path.len == 0 || !memchr(name, '.', path.len - (size_t)(name - path.ptr));
    int fd = path.len ? open_file(root, path, &st) : -1;
    if (fd < 0 && page) {
        path = STR("index.html");
        fd = open_file(root, path, &st);
    }
    if (fd < 0)
        return false;
    respond_with(request, fd, &st, path);
    close(fd);
    return true;
}
