/* Files that the commands read; what ends in .gz is unpacked. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "app/cli.h"
#include "base/compress.h"

#define GZIP_MAX   ((size_t)1 << 30) /* bytes of a packed file */
#define GZIP_PLAIN ((size_t)4 << 30) /* and of what is in it */
#define GZIP_RATIO 2000              /* more than deflate can reach: the file is the caller's own */

static bool is_packed(const char *path)
{
    return str_ends(str_from(path), STR(".gz"));
}

static int read_file(FILE *file, const char *path, size_t max, struct buf *out, struct err *err)
{
    for (size_t n = 1; n;) {
        n = fread(buf_reserve(out, 65536), 1, 65536, file);
        buf_grew(out, n);
        if (out->len > max)
            return err_set(err, ERR_LIMIT, "%s is larger than %zu bytes", path, max);
    }
    return ferror(file) ? err_errno(err, ERR_IO, errno, "%s cannot be read", path) : 0;
}

static int unpack(const char *path, size_t max, struct buf *text, struct err *err)
{
    struct buf plain = BUF_EMPTY;
    int rc = decompress_gzip(buf_str(text), max, GZIP_RATIO, &plain, err);
    if (rc != 0)
        err_at(err, "%s", path);
    buf_free(text);
    *text = plain;
    return rc;
}

int cli_read(const char *path, size_t max, struct buf *out, struct err *err)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    bool packed = is_packed(path);
    if (file == NULL)
        return err_errno(err, ERR_IO, errno, "%s cannot be read", path);
    int rc = read_file(file, path, packed ? GZIP_MAX : max, out, err);
    if (file != stdin)
        fclose(file);
    return rc == 0 && packed ? unpack(path, max, out, err) : rc;
}

int cli_input_open(struct cli_input *input, const char *path, struct err *err)
{
    *input = (struct cli_input){0};
    if (!is_packed(path)) {
        input->file = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
        return input->file ? 0 : err_errno(err, ERR_IO, errno, "%s cannot be read", path);
    }
    if (cli_read(path, GZIP_PLAIN, &input->text, err) != 0)
        return -1;
    buf_reserve(&input->text, 1); /* an empty file has a place too */
    input->file = fmemopen(input->text.ptr, input->text.len, "r");
    return input->file ? 0 : err_errno(err, ERR_IO, errno, "%s cannot be read", path);
}

void cli_input_close(struct cli_input *input)
{
    if (input->file && input->file != stdin)
        fclose(input->file);
    buf_free(&input->text);
}

bool cli_lines_next(struct cli_lines *lines, FILE *file, size_t count, size_t size)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;
    buf_clear(&lines->text);
    lines->numbers.count = 0;
    while (lines->numbers.count < count && lines->text.len < size && (n = getline(&line, &cap, file)) > 0) {
        lines->read++;
        if (strspn(line, " \t\r\n") == (size_t)n)
            continue;
        buf_add(&lines->text, line, (size_t)n);
        vec_push(&lines->numbers, lines->read);
    }
    free(line);
    return lines->numbers.count > 0;
}

void cli_lines_free(struct cli_lines *lines)
{
    buf_free(&lines->text);
    vec_free(&lines->numbers);
}

int cli_records_code(uint64_t accepted, uint64_t rejected)
{
    if (rejected == 0)
        return EXIT_OK;
    return accepted ? EXIT_EXPECTATION : EXIT_USAGE;
}
