/* The file watch: every kind of change below a root is told, once it is quiet. */
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "loop/loop.h"
#include "loop/watch.h"

#define QUIET (20 * NS_PER_MS)
#define NEVER (200 * NS_PER_MS)
#define SURE  (30 * NS_PER_S)

struct trial;
typedef void act(struct trial *t);

struct trial {
    char home[64];
    struct loop *loop;
    act *const *acts; /* each is done when the one before was told */
    size_t count, told;
};

static void next_act(struct trial *t)
{
    if (t->told == t->count)
        loop_stop(t->loop);
    else
        t->acts[t->told](t);
}

static void changed(void *arg)
{
    struct trial *t = arg;
    t->told++;
    next_act(t);
}

static void give_up(void *arg)
{
    loop_stop(((struct trial *)arg)->loop);
}

/* How many of the acts were told, each before the next was done. */
static size_t tell(struct trial *t, const char *root, act *const *acts, size_t count, int64_t limit_ns)
{
    const char *roots[] = {root};
    t->loop = loop_new();
    t->acts = acts;
    t->count = count;
    t->told = 0;
    struct watch_tree *tree = watch_tree_new(t->loop, roots, 1, QUIET, changed, t, NULL);
    assert_non_null(tree);
    struct timer *limit = timer_new(t->loop, give_up, t);
    timer_start(limit, limit_ns, false);
    next_act(t);
    loop_run(t->loop);
    timer_free(limit);
    watch_tree_free(tree);
    loop_free(t->loop);
    return t->told;
}

#define assert_told(t, root, ...)                                                                            \
    do {                                                                                                     \
        act *const acts[] = {__VA_ARGS__};                                                                   \
        size_t count = sizeof acts / sizeof *acts;                                                           \
        assert_int_equal(tell(t, root, acts, count, SURE), count);                                           \
    } while (0)
#define assert_silent(t, root, one) assert_int_equal(tell(t, root, (act *[]){one}, 1, NEVER), 0)

static char *at(struct trial *t, const char *name)
{
    static char paths[4][256];
    static int turn;
    char *path = paths[turn++ % 4];
    snprintf(path, 256, "%s/%s", t->home, name);
    return path;
}

static void put(struct trial *t, const char *name, const char *text)
{
    FILE *file = fopen(at(t, name), "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static int setup(void **state)
{
    struct trial *t = calloc(1, sizeof *t);
    snprintf(t->home, sizeof t->home, "/tmp/lunette-watch-XXXXXX");
    assert_non_null(mkdtemp(t->home));
    mkdir(at(t, "rules"), 0700);
    mkdir(at(t, "rules/deep"), 0700);
    mkdir(at(t, "rules/deep/er"), 0700);
    mkdir(at(t, "rules/.git"), 0700);
    put(t, "rules/deep/er/a.lua", "1");
    *state = t;
    return 0;
}

static int drop(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    (void)st, (void)kind, (void)where;
    return remove(path);
}

static int teardown(void **state)
{
    struct trial *t = *state;
    nftw(t->home, drop, 16, FTW_DEPTH | FTW_PHYS);
    free(t);
    return 0;
}

static void do_nothing(struct trial *t)
{
    (void)t;
}

static void read_file(struct trial *t)
{
    FILE *file = fopen(at(t, "rules/deep/er/a.lua"), "r");
    assert_int_equal(fgetc(file), '1');
    fclose(file);
}

static void edit_deep(struct trial *t)
{
    put(t, "rules/deep/er/a.lua", "2");
}

static void rename_deep(struct trial *t)
{
    assert_int_equal(rename(at(t, "rules/deep/er/a.lua"), at(t, "rules/deep/er/b.lua")), 0);
}

static void remove_deep(struct trial *t)
{
    assert_int_equal(unlink(at(t, "rules/deep/er/b.lua")), 0);
}

static void edit_beside(struct trial *t)
{
    put(t, "elsewhere.lua", "x");
    put(t, "rules/.git/index", "x");
}

static void edit_rename_and_removal_are_told(void **state)
{
    struct trial *t = *state;
    assert_told(t, at(t, "rules"), edit_deep, rename_deep, remove_deep);
}

static void reading_and_other_folders_are_not_told(void **state)
{
    struct trial *t = *state;
    assert_silent(t, at(t, "rules"), do_nothing);
    assert_silent(t, at(t, "rules"), read_file);
    assert_silent(t, at(t, "rules"), edit_beside);
}

static void make_folder(struct trial *t)
{
    mkdir(at(t, "rules/new"), 0700);
    mkdir(at(t, "rules/new/inner"), 0700);
}

static void edit_in_new_folder(struct trial *t)
{
    put(t, "rules/new/inner/c.lua", "x");
}

static void move_folder(struct trial *t)
{
    assert_int_equal(rename(at(t, "rules/new"), at(t, "rules/moved")), 0);
}

static void edit_in_moved_folder(struct trial *t)
{
    put(t, "rules/moved/inner/c.lua", "y");
}

static void folder_that_appears_is_watched_too(void **state)
{
    struct trial *t = *state;
    assert_told(t, at(t, "rules/"), make_folder, edit_in_new_folder, move_folder, edit_in_moved_folder,
                edit_deep);
}

static void make_parent(struct trial *t)
{
    mkdir(at(t, "later"), 0700);
}

static void make_root(struct trial *t)
{
    mkdir(at(t, "later/rules"), 0700);
}

static void edit_in_root(struct trial *t)
{
    put(t, "later/rules/x.lua", "x");
}

static void replace_root(struct trial *t)
{
    assert_int_equal(rename(at(t, "later/rules"), at(t, "later/old")), 0);
    mkdir(at(t, "later/rules"), 0700);
}

static void edit_old_root(struct trial *t)
{
    put(t, "later/old/x.lua", "y");
}

static void root_may_appear_later_and_be_replaced(void **state)
{
    struct trial *t = *state;
    assert_told(t, at(t, "later/rules"), make_parent, make_root, edit_in_root, replace_root, edit_in_root);
    assert_silent(t, at(t, "later/rules"), edit_old_root);
}

/* What the kubelet does with a mounted ConfigMap: files are links through `..data`, a link to a dated folder;
 * a new dated folder is filled, then `..data` is replaced by a rename, then the old folder goes. */
static void mount_generation(struct trial *t, const char *folder, const char *text)
{
    char file[128];
    mkdir(at(t, folder), 0700);
    snprintf(file, sizeof file, "%s/a.lua", folder);
    put(t, file, text);
    assert_int_equal(symlink(strrchr(folder, '/') + 1, at(t, "map/..data_tmp")), 0);
    assert_int_equal(rename(at(t, "map/..data_tmp"), at(t, "map/..data")), 0);
}

static void second_generation(struct trial *t)
{
    mount_generation(t, "map/..2026_02", "2");
    unlink(at(t, "map/..2026_01/a.lua"));
    rmdir(at(t, "map/..2026_01"));
}

static void third_generation(struct trial *t)
{
    mount_generation(t, "map/..2026_03", "3");
    unlink(at(t, "map/..2026_02/a.lua"));
    rmdir(at(t, "map/..2026_02"));
}

static void kubelet_swap_is_told(void **state)
{
    struct trial *t = *state;
    mkdir(at(t, "map"), 0700);
    mount_generation(t, "map/..2026_01", "1");
    assert_int_equal(symlink("..data/a.lua", at(t, "map/a.lua")), 0);
    assert_told(t, at(t, "map"), second_generation, third_generation);
}

static void fourth_generation_kept(struct trial *t)
{
    mount_generation(t, "map/..2026_04", "4");
}

static void fifth_generation_kept(struct trial *t)
{
    mount_generation(t, "map/..2026_05", "5");
}

static void root_behind_a_swapped_link_is_told(void **state)
{
    struct trial *t = *state;
    mkdir(at(t, "map"), 0700);
    mount_generation(t, "map/..2026_01", "1");
    assert_told(t, at(t, "map/..data"), fourth_generation_kept, fifth_generation_kept);
}

static void edit_linked(struct trial *t)
{
    put(t, "linked/x.lua", "x");
}

static void links_are_followed_and_may_form_a_circle(void **state)
{
    struct trial *t = *state;
    mkdir(at(t, "linked"), 0700);
    assert_int_equal(symlink("../../linked", at(t, "rules/deep/link")), 0);
    assert_int_equal(symlink("..", at(t, "rules/deep/up")), 0);
    assert_int_equal(symlink("../rules", at(t, "linked/back")), 0);
    assert_told(t, at(t, "rules"), edit_linked, edit_deep);
}

static int busy_edits;

static void edit_again(void *arg)
{
    busy_edits++;
    edit_deep(arg);
}

static void start_editing(struct trial *t)
{
    edit_deep(t);
}

/* A tree with an edit every few milliseconds is told all the same, but once for many edits. */
static void restless_tree_is_told_at_last(void **state)
{
    struct trial *t = *state;
    const char *roots[] = {at(t, "rules")};
    act *const acts[] = {start_editing};
    t->loop = loop_new();
    t->acts = acts;
    t->count = 1;
    struct watch_tree *tree = watch_tree_new(t->loop, roots, 1, QUIET, changed, t, NULL);
    struct timer *edits = timer_new(t->loop, edit_again, t);
    struct timer *limit = timer_new(t->loop, give_up, t);
    timer_start(edits, 2 * NS_PER_MS, true);
    timer_start(limit, SURE, false);
    loop_run(t->loop);
    assert_int_equal(t->told, 1);
    assert_true(busy_edits > 3);
    timer_free(edits);
    timer_free(limit);
    watch_tree_free(tree);
    loop_free(t->loop);
}

#define story(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    loop_init();
    const struct CMUnitTest tests[] = {
        story(edit_rename_and_removal_are_told),
        story(reading_and_other_folders_are_not_told),
        story(folder_that_appears_is_watched_too),
        story(root_may_appear_later_and_be_replaced),
        story(kubelet_swap_is_told),
        story(root_behind_a_swapped_link_is_told),
        story(links_are_followed_and_may_form_a_circle),
        story(restless_tree_is_told_at_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
