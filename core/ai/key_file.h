/* A secret in a file, read when it is needed and wiped after use, so that a changed file counts at once and
 * no long-lived copy exists. Any thread. For chat.c. */
#ifndef LUNETTE_AI_KEY_FILE_H
#define LUNETTE_AI_KEY_FILE_H

#include "base/err.h"
#include "base/str.h"

#define KEY_FILE_MAX 4096

struct key {
    char text[KEY_FILE_MAX + 1];
    size_t len;
};

/* 0 and *key, trimmed; -1 and *err (ERR_IO, ERR_DENIED, ERR_INVALID), which names the path only, and *key
 * empty. */
int key_file_read(const char *path, struct key *key, struct err *err);
void key_wipe(struct key *key);

#endif
