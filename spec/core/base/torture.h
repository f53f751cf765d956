/* The files under ../shared/data/torture as tests read them: one JSON object a line. For tests of core/base.
 */
#ifndef LUNETTE_SPEC_BASE_TORTURE_H
#define LUNETTE_SPEC_BASE_TORTURE_H

#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/json_tape.h"

/* The whole file, or false where the data is absent. */
static inline bool torture_read(const char *name, struct buf *out)
{
    char path[512];
    snprintf(path, sizeof(path), LUNETTE_SOURCE_DIR "/../shared/data/torture/%s", name);
    FILE *file = fopen(path, "rb");
    if (!file)
        return false;
    for (size_t n = 1; n;) {
        n = fread(buf_reserve(out, 65536), 1, 65536, file);
        buf_grew(out, n);
    }
    fclose(file);
    return true;
}

static inline int torture_sextet(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* Decodes base64 and adds the padding that the tape wants behind the text. */
static inline void torture_base64(struct str text, struct buf *out)
{
    unsigned bits = 0, held = 0;
    for (size_t i = 0; i < text.len; i++) {
        int v = torture_sextet(text.ptr[i]);
        if (v < 0)
            break;
        bits = bits << 6 | (unsigned)v;
        held += 6;
        if (held < 8)
            continue;
        held -= 8;
        buf_putc(out, (char)(bits >> held));
    }
    memset(buf_reserve(out, JSON_TAPE_PADDING), ' ', JSON_TAPE_PADDING);
}

#endif
