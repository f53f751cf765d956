/* Files of certificates that a setting names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/pem.h"

struct world {
    char dir[32], path[64];
    char *certificate, *key; /* PEM */
};

static char *text_of(BIO *bio)
{
    char *bytes;
    long len = BIO_get_mem_data(bio, &bytes);
    char *text = mem_dup(bytes, (size_t)len);
    BIO_free(bio);
    return text;
}

static int set_up(void **state)
{
    static struct world world;
    BIO *certificate = BIO_new(BIO_s_mem()), *key = BIO_new(BIO_s_mem());
    EVP_PKEY *pair = EVP_EC_gen("P-256");
    X509 *x509 = X509_new();
    X509_gmtime_adj(X509_getm_notBefore(x509), 0);
    X509_gmtime_adj(X509_getm_notAfter(x509), 60);
    X509_set_pubkey(x509, pair);
    X509_sign(x509, pair, EVP_sha256());
    PEM_write_bio_X509(certificate, x509);
    PEM_write_bio_PrivateKey(key, pair, NULL, NULL, 0, NULL, NULL);
    X509_free(x509);
    EVP_PKEY_free(pair);
    world.certificate = text_of(certificate);
    world.key = text_of(key);
    memcpy(world.dir, "/tmp/pem.XXXXXX", sizeof "/tmp/pem.XXXXXX");
    assert_non_null(mkdtemp(world.dir));
    snprintf(world.path, sizeof world.path, "%s/file", world.dir);
    *state = &world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    unlink(world->path);
    rmdir(world->dir);
    free(world->certificate);
    free(world->key);
    return 0;
}

static int check(struct world *world, const char *first, const char *second, struct err *err)
{
    FILE *file = fopen(world->path, "w");
    assert_non_null(file);
    fprintf(file, "%s%s", first, second);
    assert_int_equal(fclose(file), 0);
    *err = (struct err){0};
    return pem_check_certificates(world->path, err);
}

static void one_certificate_is_enough_whatever_stands_beside_it(void **state)
{
    struct world *world = *state;
    struct err err;
    assert_int_equal(check(world, world->certificate, "", &err), 0);
    assert_int_equal(check(world, world->certificate, world->certificate, &err), 0);
    assert_int_equal(check(world, "Our CA, since 2026\n", world->certificate, &err), 0);
    assert_int_equal(check(world, world->key, world->certificate, &err), 0);
    assert_int_equal(check(world, world->certificate, world->key, &err), 0);
}

static void without_a_certificate_it_is_refused(void **state)
{
    struct world *world = *state;
    const char *none[] = {"", "\n", "no certificate", world->key};
    struct err err;
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        assert_int_equal(check(world, none[i], "", &err), -1);
        assert_int_equal(err.code, ERR_INVALID);
        assert_non_null(strstr(err.message, "found none"));
        assert_non_null(strstr(err.message, world->path));
    }
}

static void one_that_is_damaged_is_refused(void **state)
{
    struct world *world = *state;
    struct err err;
    char *damaged = mem_dup(world->certificate, strlen(world->certificate));
    *strchr(strchr(damaged, '\n') + 1, 'M') = '!';
    assert_int_equal(check(world, damaged, "", &err), -1);
    assert_non_null(strstr(err.message, "certificate 1"));
    assert_int_equal(check(world, world->certificate, damaged, &err), -1);
    assert_non_null(strstr(err.message, "certificate 2"));
    damaged[strlen(damaged) / 2] = '\0';
    assert_int_equal(check(world, world->certificate, damaged, &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
    free(damaged);
}

static void what_is_no_file_is_refused(void **state)
{
    struct world *world = *state;
    struct err err = {0};
    unlink(world->path);
    assert_int_equal(pem_check_certificates(world->path, &err), -1);
    assert_int_equal(err.code, ERR_IO);
    assert_int_equal(pem_check_certificates(world->dir, &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
    assert_int_equal(mkfifo(world->path, 0600), 0);
    assert_int_equal(pem_check_certificates(world->path, &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_certificate_is_enough_whatever_stands_beside_it),
        cmocka_unit_test(without_a_certificate_it_is_refused),
        cmocka_unit_test(one_that_is_damaged_is_refused),
        cmocka_unit_test(what_is_no_file_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
