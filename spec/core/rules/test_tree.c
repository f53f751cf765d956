/* Reading roots: flat and deep, a ConfigMap's links, archives, limits, the saved tree. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "rules/tree.h"

/* A folder of the test's own, removed afterwards. */
struct scratch {
    char root[64];
};

static char *at(const struct scratch *s, const char *name)
{
    static char paths[4][512];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof(paths[0]), "%s/%s", s->root, name);
    return path;
}

static int setup(void **state)
{
    struct scratch *s = calloc(1, sizeof(*s));
    snprintf(s->root, sizeof(s->root), "/tmp/lunette-tree-XXXXXX");
    assert_non_null(mkdtemp(s->root));
    *state = s;
    return 0;
}

static int drop(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int teardown(void **state)
{
    struct scratch *s = *state;
    nftw(s->root, drop, 16, FTW_DEPTH | FTW_PHYS);
    free(s);
    return 0;
}

static void put_bytes(const struct scratch *s, const char *name, const void *bytes, size_t len)
{
    char *path = at(s, name);
    for (char *slash = strchr(path + strlen(s->root) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(path, 0700);
        *slash = '/';
    }
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

static void put(const struct scratch *s, const char *name, const char *text)
{
    put_bytes(s, name, text, strlen(text));
}

static struct tree *read_ok(const char *rules, const char *plugins)
{
    struct err err = {0};
    struct tree *tree = tree_read(rules, plugins, &err);
    if (tree == NULL)
        fail_msg("%s", err_text(&err));
    return tree;
}

static void assert_files(const struct tree *tree, const char *const *paths, size_t count)
{
    for (size_t i = 0; i < count && i < tree->files.count; i++)
        assert_string_equal(tree->files.items[i].path.ptr, paths[i]);
    assert_int_equal(tree->files.count, count);
}
#define assert_paths(tree, ...)                                                                              \
    assert_files(tree, (const char *const[]){__VA_ARGS__},                                                   \
                 sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static void a_deep_root_is_read_in_the_order_of_names(void **state)
{
    const struct scratch *s = *state;
    put(s, "rules/detections/identity/mfa.lua", "b");
    put(s, "rules/detections/a.lua", "a");
    put(s, "rules/lists/nets.txt", "10.0.0.0/8");
    put(s, "rules/README.md", "not a rule");
    put(s, "rules/.git/x.lua", "not a rule");
    put(s, "plugins/sources/okta.lua", "c");
    struct tree *tree = read_ok(at(s, "rules/"), at(s, "plugins"));
    assert_paths(tree, "rules/detections/a.lua", "rules/detections/identity/mfa.lua", "rules/lists/nets.txt",
                 "plugins/sources/okta.lua");
    assert_string_equal(tree->files.items[1].name.ptr, "detections/identity/mfa.lua");
    assert_int_equal(tree->files.items[3].kind, TREE_PLUGINS);
    tree_free(tree);
}

static void a_root_may_be_one_file_and_roots_may_be_many(void **state)
{
    const struct scratch *s = *state;
    put(s, "one.lua", "1");
    put(s, "two/b.lua", "2");
    char roots[600];
    snprintf(roots, sizeof(roots), "%s:%s:", at(s, "one.lua"), at(s, "two"));
    struct tree *tree = read_ok(roots, "");
    assert_paths(tree, "one.lua", "two/b.lua");
    assert_int_equal(tree->files.items[0].root, 0);
    assert_int_equal(tree->files.items[1].root, 1);
    tree_free(tree);
}

static void a_root_that_is_missing_or_no_rule_file_is_refused(void **state)
{
    const struct scratch *s = *state;
    struct err err = {0};
    assert_null(tree_read(at(s, "nowhere"), "", &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, "nowhere"));
    put(s, "notes.md", "x");
    assert_null(tree_read(at(s, "notes.md"), "", &err));
    assert_int_equal(err.code, ERR_INVALID);
}

/* The layout of a ConfigMap's mount: names lead through ..data into the version. */
static void config_map(const struct scratch *s, const char *version, const char *text)
{
    char name[128];
    snprintf(name, sizeof(name), "map/%s/a.lua", version);
    put(s, name, text);
    unlink(at(s, "map/..data.tmp"));
    assert_int_equal(symlink(version, at(s, "map/..data.tmp")), 0);
    assert_int_equal(rename(at(s, "map/..data.tmp"), at(s, "map/..data")), 0);
    if (access(at(s, "map/a.lua"), F_OK) != 0)
        assert_int_equal(symlink("..data/a.lua", at(s, "map/a.lua")), 0);
}

static void a_config_map_is_read_once_through_its_links(void **state)
{
    const struct scratch *s = *state;
    config_map(s, "..2026_01_02", "first");
    struct tree *tree = read_ok(at(s, "map"), "");
    assert_paths(tree, "map/a.lua");
    char first[65];
    memcpy(first, tree_hash(tree), sizeof(first));
    tree_free(tree);

    config_map(s, "..2026_01_03", "second");
    tree = read_ok(at(s, "map"), "");
    assert_paths(tree, "map/a.lua");
    assert_memory_equal(tree->files.items[0].text.ptr, "second", 6);
    assert_string_not_equal(tree_hash(tree), first);
    tree_free(tree);

    config_map(s, "..2026_01_04", "first");
    tree = read_ok(at(s, "map"), "");
    assert_string_equal(tree_hash(tree), first);
    tree_free(tree);
}

/* The kubelet at work: a new version, the link swapped, the old version removed. */
struct kubelet {
    const struct scratch *scratch;
    atomic_bool stop;
    unsigned swaps;
};

static void kubelet_write(const char *root, unsigned version, const char *name)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/map/..v%u", root, version);
    mkdir(path, 0700);
    snprintf(path, sizeof(path), "%s/map/..v%u/%s", root, version, name);
    FILE *file = fopen(path, "w");
    fprintf(file, "%u", version);
    fclose(file);
}

static void kubelet_swap(const char *root, unsigned version)
{
    char target[64], next[512], link[512];
    kubelet_write(root, version, "a.lua");
    kubelet_write(root, version, "b.lua");
    snprintf(target, sizeof(target), "..v%u", version);
    snprintf(next, sizeof(next), "%s/map/..data_tmp", root);
    snprintf(link, sizeof(link), "%s/map/..data", root);
    symlink(target, next);
    rename(next, link);
    static const char *const gone[] = {"a.lua", "b.lua", ""};
    for (int i = 0; version > 0 && i < 3; i++) {
        snprintf(next, sizeof(next), "%s/map/..v%u/%s", root, version - 1, gone[i]);
        remove(next);
    }
}

static void *kubelet_run(void *arg)
{
    struct kubelet *kubelet = arg;
    while (!atomic_load(&kubelet->stop)) {
        kubelet_swap(kubelet->scratch->root, ++kubelet->swaps);
        sched_yield();
    }
    return NULL;
}

static void no_read_mixes_two_versions_of_a_config_map(void **state)
{
    struct kubelet kubelet = {.scratch = *state};
    mkdir(at(*state, "map"), 0700);
    kubelet_swap(kubelet.scratch->root, 0);
    assert_int_equal(symlink("..data/a.lua", at(*state, "map/a.lua")), 0);
    assert_int_equal(symlink("..data/b.lua", at(*state, "map/b.lua")), 0);
    pthread_t thread;
    char root[128];
    snprintf(root, sizeof(root), "%s/map", kubelet.scratch->root);
    assert_int_equal(pthread_create(&thread, NULL, kubelet_run, &kubelet), 0);
    unsigned whole = 0, mixed = 0, failed = 0;
    while (whole < 500) {
        struct err err = {0};
        struct tree *tree = tree_read(root, "", &err);
        failed += tree == NULL && err.code != ERR_BUSY;
        if (tree == NULL)
            continue;
        whole++;
        mixed += tree->files.count != 2 || !str_equal(tree->files.items[0].text, tree->files.items[1].text);
        tree_free(tree);
    }
    atomic_store(&kubelet.stop, true);
    pthread_join(thread, NULL);
    assert_int_equal(mixed, 0);
    assert_int_equal(failed, 0);
}

static void links_are_followed_once_so_a_loop_ends(void **state)
{
    const struct scratch *s = *state;
    put(s, "real/a.lua", "a");
    put(s, "rules/b.lua", "b");
    assert_int_equal(symlink("../real", at(s, "rules/more")), 0);
    assert_int_equal(symlink("../rules", at(s, "real/back")), 0);
    struct tree *tree = read_ok(at(s, "rules"), "");
    assert_paths(tree, "rules/b.lua", "rules/more/a.lua");
    assert_int_equal(tree->notes.warnings, 1);
    assert_non_null(strstr(tree->notes.problems.items[0].message, "not followed"));
    tree_free(tree);
}

static void a_fifo_does_not_hold_the_reader(void **state)
{
    const struct scratch *s = *state;
    put(s, "rules/a.lua", "a");
    assert_int_equal(mkfifo(at(s, "rules/b.lua"), 0600), 0);
    struct tree *tree = read_ok(at(s, "rules"), "");
    assert_paths(tree, "rules/a.lua");
    tree_free(tree);
}

static void the_hash_is_of_names_and_texts_alone(void **state)
{
    const struct scratch *s = *state;
    put(s, "a/rules/x.lua", "text");
    put(s, "b/rules/x.lua", "text");
    put(s, "c/rules/y.lua", "text");
    struct tree *a = read_ok(at(s, "a/rules"), ""), *b = read_ok(at(s, "b/rules"), "");
    struct tree *c = read_ok(at(s, "c/rules"), ""), *plugin = read_ok("", at(s, "a/rules"));
    assert_string_equal(tree_hash(a), tree_hash(b));
    assert_string_not_equal(tree_hash(a), tree_hash(c));
    assert_string_not_equal(tree_hash(a), tree_hash(plugin));
    assert_int_equal(strlen(tree_hash(a)), 64);
    tree_free(a);
    tree_free(b);
    tree_free(c);
    tree_free(plugin);
}

static void put_sized(const struct scratch *s, const char *name, size_t size)
{
    char *text = malloc(size);
    memset(text, '-', size);
    put_bytes(s, name, text, size);
    free(text);
}

static void a_rule_file_has_at_most_256_kib(void **state)
{
    const struct scratch *s = *state;
    put_sized(s, "rules/most.lua", TREE_RULE_MAX);
    put_sized(s, "rules/more.lua", TREE_RULE_MAX + 1);
    struct tree *tree = read_ok(at(s, "rules"), "");
    assert_paths(tree, "rules/most.lua");
    assert_int_equal(tree->notes.errors, 1);
    assert_string_equal(tree->notes.problems.items[0].where, "rules/more.lua");
    assert_string_equal(tree->notes.problems.items[0].message,
                        "the file has more than 256 KiB, the most a rule file may have");
    tree_free(tree);
}

static void folders_nest_at_most_sixteen_deep(void **state)
{
    const struct scratch *s = *state;
    put(s, "rules/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/a.lua", "a");
    struct tree *tree = read_ok(at(s, "rules"), "");
    assert_int_equal(tree->files.count, 1);
    tree_free(tree);
    put(s, "rules/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/a.lua", "a");
    struct err err = {0};
    assert_null(tree_read(at(s, "rules"), "", &err));
    assert_int_equal(err.code, ERR_LIMIT);
}

/* What a root holds counts, whatever it is. */
static void a_root_that_is_something_else_ends_soon(void **state)
{
    const struct scratch *s = *state;
    char name[64];
    struct err err = {0};
    put(s, "rules/a.lua", "a");
    put(s, "rules/out/0.o", "");
    for (unsigned i = 3; i < TREE_ENTRIES_MAX; i++) { /* a.lua, out and 0.o are three */
        snprintf(name, sizeof(name), "rules/out/%u.o", i);
        assert_int_equal(link(at(s, "rules/out/0.o"), at(s, name)), 0);
    }
    put(s, "rules/.git/x.lua", "no part of it, nor counted");
    struct tree *tree = read_ok(at(s, "rules"), "");
    assert_int_equal(tree->files.count, 1);
    assert_int_equal(tree->entries, TREE_ENTRIES_MAX);
    tree_free(tree);
    put(s, "rules/out/more.o", "");
    assert_null(tree_read(at(s, "rules"), "", &err));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_string_equal(err.message,
                        "the roots hold more than 50000 files and folders, up to rules/out: name "
                        "a folder that holds rules only");
}

/* ---- archives ---- */

struct tar {
    struct buf bytes;
};

static void tar_add(struct tar *tar, const char *name, char type, const char *text)
{
    char block[512] = {0};
    size_t len = strlen(text);
    snprintf(block, 100, "%s", name);
    memcpy(block + 100, "0000644", 8);
    snprintf(block + 124, 12, "%011o", (unsigned)len);
    memcpy(block + 136, "00000000000", 12);
    memset(block + 148, ' ', 8);
    block[156] = type;
    memcpy(block + 257, "ustar\00000", 8);
    unsigned sum = 0;
    for (size_t i = 0; i < sizeof(block); i++)
        sum += (unsigned char)block[i];
    snprintf(block + 148, 8, "%06o", sum);
    buf_add(&tar->bytes, block, sizeof(block));
    buf_add(&tar->bytes, text, len);
    static const char zeros[512];
    if (len % 512)
        buf_add(&tar->bytes, zeros, 512 - len % 512);
}

static void tar_write(const struct scratch *s, const char *name, struct tar *tar, bool end)
{
    static const char zeros[1024];
    if (end)
        buf_add(&tar->bytes, zeros, sizeof(zeros));
    uLong room = compressBound(tar->bytes.len) + 64;
    unsigned char *out = malloc(room);
    z_stream z = {.next_in = (unsigned char *)tar->bytes.ptr,
                  .avail_in = (uInt)tar->bytes.len,
                  .next_out = out,
                  .avail_out = (uInt)room};
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    put_bytes(s, name, out, z.total_out);
    deflateEnd(&z);
    free(out);
    buf_free(&tar->bytes);
}

static void an_archive_is_a_folder_in_its_place(void **state)
{
    const struct scratch *s = *state;
    struct tar tar = {0};
    tar_add(&tar, "./detections/", '5', "");
    tar_add(&tar, "./detections/a.lua", '0', "text of a");
    tar_add(&tar, "README.md", '0', "no rule");
    tar_add(&tar, "..data/b.lua", '0', "skipped");
    tar_add(&tar, "././@LongLink", 'L', "detections/a_long_name.lua");
    tar_add(&tar, "detections/cut", '0', "text of b");
    tar_add(&tar, "PaxHeader", 'x', "25 path=detections/c.lua\n");
    tar_add(&tar, "other", '0', "text of c");
    tar_write(s, "rules/pack.tar.gz", &tar, true);
    put(s, "rules/plain.lua", "plain");
    struct tree *tree = read_ok(at(s, "rules"), "");
    assert_paths(tree, "rules/pack.tar.gz!/detections/a.lua", "rules/pack.tar.gz!/detections/a_long_name.lua",
                 "rules/pack.tar.gz!/detections/c.lua", "rules/plain.lua");
    assert_string_equal(tree->files.items[2].name.ptr, "detections/c.lua");
    assert_memory_equal(tree->files.items[0].text.ptr, "text of a", 9);
    assert_memory_equal(tree->files.items[1].text.ptr, "text of b", 9);
    tree_free(tree);
}

static void refuse_archive(const struct scratch *s, struct tar *tar, bool end, const char *expected)
{
    struct err err = {0};
    tar_write(s, "rules/pack.tar.gz", tar, end);
    assert_null(tree_read(at(s, "rules"), "", &err));
    if (strstr(err.message, expected) == NULL)
        fail_msg("expected \"%s\" in \"%s\"", expected, err.message);
}

static void an_archive_cannot_reach_outside_or_be_torn(void **state)
{
    const struct scratch *s = *state;
    struct tar tar = {0};
    tar_add(&tar, "../up.lua", '0', "x");
    refuse_archive(s, &tar, true, "leads upwards");
    tar_add(&tar, "/abs.lua", '0', "x");
    refuse_archive(s, &tar, true, "absolute");
    tar_add(&tar, "a.lua", '0', "0123456789");
    tar.bytes.len = 512 + 5;
    refuse_archive(s, &tar, false, "ends inside a file");
    tar_add(&tar, "a.lua", '0', "0123456789");
    tar.bytes.ptr[0] ^= 1;
    refuse_archive(s, &tar, true, "damaged");
    put(s, "rules/pack.tar.gz", "not gzip at all");
    struct err err = {0};
    assert_null(tree_read(at(s, "rules"), "", &err));
    assert_int_equal(err.code, ERR_INVALID);
}

static void links_in_an_archive_are_left_out_with_a_word(void **state)
{
    const struct scratch *s = *state;
    struct tar tar = {0};
    tar_add(&tar, "a.lua", '2', "");
    tar_add(&tar, "b.lua", '0', "b");
    tar_write(s, "rules/pack.tar.gz", &tar, true);
    struct tree *tree = read_ok(at(s, "rules"), "");
    assert_paths(tree, "rules/pack.tar.gz!/b.lua");
    assert_int_equal(tree->notes.warnings, 1);
    tree_free(tree);
}

/* ---- the last good tree ---- */

static void a_saved_tree_comes_back_with_its_hash(void **state)
{
    const struct scratch *s = *state;
    put(s, "rules/detections/a.lua", "text");
    put(s, "rules/lists/l.txt", "");
    struct tree *tree = read_ok(at(s, "rules"), ""), *back;
    struct err err = {0};
    assert_null(tree_restore(s->root, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_int_equal(tree_save(tree, s->root, &err), 0);
    assert_int_equal(tree_save(tree, s->root, &err), 0);
    back = tree_restore(s->root, &err);
    assert_non_null(back);
    assert_string_equal(tree_hash(back), tree_hash(tree));
    assert_paths(back, "rules/detections/a.lua", "rules/lists/l.txt");
    assert_memory_equal(back->files.items[0].text.ptr, "text", 4);
    tree_free(tree);
    tree_free(back);
}

static void any_damage_to_the_saved_tree_is_found(void **state)
{
    const struct scratch *s = *state;
    put(s, "rules/a.lua", "text");
    struct tree *tree = read_ok(at(s, "rules"), "");
    struct err err = {0};
    assert_int_equal(tree_save(tree, s->root, &err), 0);
    tree_free(tree);
    FILE *file = fopen(at(s, "rules.last-good"), "rb");
    char bytes[1024];
    size_t len = fread(bytes, 1, sizeof(bytes), file);
    fclose(file);
    assert_true(len > 40 && len < sizeof(bytes));
    for (size_t i = 0; i < len; i++) {
        bytes[i] ^= 0x20;
        put_bytes(s, "rules.last-good", bytes, len);
        bytes[i] ^= 0x20;
        err = (struct err){0};
        assert_null(tree_restore(s->root, &err));
        assert_int_equal(err.code, ERR_CORRUPT);
    }
    for (size_t cut = 0; cut < len; cut += 7) {
        put_bytes(s, "rules.last-good", bytes, cut);
        err = (struct err){0};
        assert_null(tree_restore(s->root, &err));
        assert_int_equal(err.code, ERR_CORRUPT);
    }
}

static void a_tree_that_cannot_be_saved_says_where(void **state)
{
    const struct scratch *s = *state;
    struct tree *tree = tree_of(NULL, 0);
    struct err err = {0};
    assert_int_equal(tree_save(tree, at(s, "nowhere"), &err), -1);
    assert_int_equal(err.code, ERR_IO);
    assert_non_null(strstr(err.message, "nowhere"));
    tree_free(tree);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_deep_root_is_read_in_the_order_of_names),
        TEST(a_root_may_be_one_file_and_roots_may_be_many),
        TEST(a_root_that_is_missing_or_no_rule_file_is_refused),
        TEST(a_config_map_is_read_once_through_its_links),
        TEST(no_read_mixes_two_versions_of_a_config_map),
        TEST(links_are_followed_once_so_a_loop_ends),
        TEST(a_fifo_does_not_hold_the_reader),
        TEST(the_hash_is_of_names_and_texts_alone),
        TEST(a_rule_file_has_at_most_256_kib),
        TEST(folders_nest_at_most_sixteen_deep),
        TEST(a_root_that_is_something_else_ends_soon),
        TEST(an_archive_is_a_folder_in_its_place),
        TEST(an_archive_cannot_reach_outside_or_be_torn),
        TEST(links_in_an_archive_are_left_out_with_a_word),
        TEST(a_saved_tree_comes_back_with_its_hash),
        TEST(any_damage_to_the_saved_tree_is_found),
        TEST(a_tree_that_cannot_be_saved_says_where),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
