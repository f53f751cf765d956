/* The main() of a fuzz target that is not linked with libFuzzer: runs the entry point once for each file
 * named, or for each file in the folders named, in sorted order. `-cut` runs every prefix of each file too,
 * which is what a connection that breaks off looks like. Ends 0 when nothing crashed and there was at least
 * one file. For tests; one thread. */
#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SEED_MAX      (1 << 20)
#define CUT_MAX       4096 /* beyond, prefixes tell nothing new */
#define PATH_CAPACITY 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool cut_too;
static size_t files, runs;

/* An exact-sized heap copy, so that the sanitizer sees a read one byte beyond. */
static void run_input(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size + !size);
    if (!copy)
        abort();
    if (size)
        memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
    runs++;
}

static int run_file(const char *path)
{
    static uint8_t buffer[SEED_MAX];
    FILE *file = fopen(path, "rb");
    if (!file) {
        fprintf(stderr, "%s: cannot be read\n", path);
        return -1;
    }
    size_t size = fread(buffer, 1, sizeof buffer, file);
    fclose(file);
    fprintf(stderr, "%s\n", path); /* the last line names the culprit of a crash */
    run_input(buffer, size);
    for (size_t end = 0; cut_too && end < size && end < CUT_MAX; end++)
        run_input(buffer, end);
    files++;
    return 0;
}

static int not_hidden(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static int run_path(const char *path)
{
    struct stat info;
    if (stat(path, &info) != 0 || !S_ISDIR(info.st_mode))
        return run_file(path);
    struct dirent **entries;
    int count = scandir(path, &entries, not_hidden, alphasort), result = 0;
    for (int i = 0; i < count; i++) {
        char inner[PATH_CAPACITY];
        snprintf(inner, sizeof inner, "%s/%s", path, entries[i]->d_name);
        if (run_path(inner) != 0)
            result = -1;
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
    return count < 0 ? -1 : result;
}

int main(int argc, char **argv)
{
    int result = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-cut") == 0)
            cut_too = true;
        else if (run_path(argv[i]) != 0)
            result = 1;
    }
    printf("%zu files, %zu runs\n", files, runs);
    return files ? result : 1;
}
