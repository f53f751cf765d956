/* Threads and the ownership marks that guard what belongs to one of them. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "loop/thread.h"

struct seen {
    char name[16];
    sigset_t blocked;
};

static void look(void *arg)
{
    struct seen *seen = arg;
    pthread_getname_np(pthread_self(), seen->name, sizeof seen->name);
    pthread_sigmask(SIG_SETMASK, NULL, &seen->blocked);
}

static void thread_has_its_name_and_no_signals(void **state)
{
    (void)state;
    struct seen seen;
    struct thread *thread = thread_start("a name that is too long", look, &seen, NULL);
    thread_join(thread);
    assert_string_equal(seen.name, "a name that is ");
    assert_true(sigismember(&seen.blocked, SIGTERM));
    assert_true(sigismember(&seen.blocked, SIGHUP));
    assert_false(sigismember(&seen.blocked, SIGRTMIN));
    assert_false(sigismember(&seen.blocked, SIGSEGV));
}

static void enter(void *arg)
{
    owner_check(arg, "the thing");
}

/* The signal that ended a child which let a second thread enter what the first owns; 0 where none did. */
static int end_of_intruder(bool release_first)
{
    pid_t child = fork();
    if (child == 0) {
        struct owner owner = {0};
        close(STDERR_FILENO);
        signal(SIGABRT, SIG_DFL);
        owner_check(&owner, "the thing");
        if (release_first)
            owner_release(&owner);
        struct thread *thread = thread_start("intruder", enter, &owner, NULL);
        thread_join(thread);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
}

static void second_thread_may_not_enter(void **state)
{
    (void)state;
    assert_int_equal(end_of_intruder(false), SIGABRT);
    assert_int_equal(end_of_intruder(true), 0);
}

static void owner_may_enter_again(void **state)
{
    (void)state;
    struct owner owner = {0};
    owner_bind(&owner);
    owner_check(&owner, "the thing");
    owner_check(&owner, "the thing");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(thread_has_its_name_and_no_signals),
        cmocka_unit_test(second_thread_may_not_enter),
        cmocka_unit_test(owner_may_enter_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
