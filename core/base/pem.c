#include "base/pem.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static FILE *open_regular(const char *path, struct err *err)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a named pipe must not hold us up */
    if (fd < 0) {
        err_errno(err, ERR_IO, errno, "%s: the file of certificates cannot be opened", path);
        return NULL;
    }
    FILE *file = fstat(fd, &info) == 0 && S_ISREG(info.st_mode) ? fdopen(fd, "r") : NULL;
    if (!file) {
        err_set(err, ERR_INVALID, "%s: the file of certificates is no regular file", path);
        close(fd);
    }
    return file;
}

int pem_check_certificates(const char *path, struct err *err)
{
    size_t count = 0;
    X509 *certificate;
    FILE *file = open_regular(path, err);
    if (!file)
        return -1;
    ERR_clear_error();
    for (; (certificate = PEM_read_X509(file, NULL, NULL, NULL)); count++)
        X509_free(certificate);
    bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    bool broken = ferror(file);
    ERR_clear_error();
    fclose(file);
    if (broken)
        return err_set(err, ERR_IO, "%s: the file of certificates cannot be read", path);
    if (!at_end)
        return err_set(err, ERR_INVALID, "%s: certificate %zu of the file is damaged", path, count + 1);
    if (count == 0)
        return err_set(err, ERR_INVALID,
                       "%s: expected certificates in PEM (-----BEGIN CERTIFICATE-----), found none", path);
    return 0;
}
