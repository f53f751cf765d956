#include "ai/key_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define MODE_REFUSED (S_IWGRP | S_IROTH | S_IWOTH)

void key_wipe(struct key *key)
{
    explicit_bzero(key, sizeof *key);
}

static int check_file(int fd, const char *path, struct err *err)
{
    struct stat info;
    if (fstat(fd, &info) != 0)
        return err_errno(err, ERR_IO, errno, "%s: the key file cannot be read", path);
    if (!S_ISREG(info.st_mode))
        return err_set(err, ERR_INVALID, "%s: the key file is no regular file", path);
    if (info.st_mode & MODE_REFUSED)
        return err_set(err, ERR_DENIED,
                       "%s: others may read or change the key file (mode %03o); chmod 600 it", path,
                       (unsigned)(info.st_mode & 0777));
    if (info.st_size > KEY_FILE_MAX)
        return err_set(err, ERR_LIMIT, "%s: the key file is larger than %d bytes", path, KEY_FILE_MAX);
    return 0;
}

static int take_all(int fd, const char *path, struct key *key, struct err *err)
{
    while (key->len < KEY_FILE_MAX) {
        ssize_t got = read(fd, key->text + key->len, KEY_FILE_MAX - key->len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_errno(err, ERR_IO, errno, "%s: the key file cannot be read", path);
        if (got == 0)
            break;
        key->len += (size_t)got;
    }
    return 0;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static int trim_and_check(const char *path, struct key *key, struct err *err)
{
    size_t skip = 0;
    while (key->len && is_space(key->text[key->len - 1]))
        key->len--;
    while (skip < key->len && is_space(key->text[skip]))
        skip++;
    key->len -= skip;
    memmove(key->text, key->text + skip, key->len);
    key->text[key->len] = '\0';
    if (key->len == 0)
        return err_set(err, ERR_INVALID, "%s: the key file is empty", path);
    for (size_t i = 0; i < key->len; i++)
        if (key->text[i] <= ' ' || key->text[i] > '~')
            return err_set(err, ERR_INVALID, "%s: expected one word of printable ASCII in the key file",
                           path);
    return 0;
}

int key_file_read(const char *path, struct key *key, struct err *err)
{
    int result = -1;
    memset(key, 0, sizeof *key);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a named pipe must not hold us up */
    if (fd < 0)
        return err_errno(err, ERR_IO, errno, "%s: the key file cannot be opened", path);
    if (check_file(fd, path, err) == 0 && take_all(fd, path, key, err) == 0 &&
        trim_and_check(path, key, err) == 0)
        result = 0;
    else
        key_wipe(key);
    close(fd);
    return result;
}
