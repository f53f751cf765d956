/* A secret in a file: read when first needed and whenever the file changed (inode, size, mtime), wiped when
 * replaced. One thread. For chat.c. */
#ifndef LUNETTE_AI_KEY_FILE_H
#define LUNETTE_AI_KEY_FILE_H

#include "base/err.h"
#include "base/str.h"

struct key_file;

struct key_file *key_file_new(const char *path);
void key_file_free(struct key_file *file);
/* Reads what is new. 0, and *key borrowed until the next call; -1 and *err (ERR_IO, ERR_DENIED, ERR_INVALID)
 * naming the path only. A file that became unusable is an error, the old key is not used on. */
int key_file_get(struct key_file *file, struct str *key, struct err *err);

#endif
