/* Files of certificates, as a person names them in a setting. Any thread. */
#ifndef LUNETTE_BASE_PEM_H
#define LUNETTE_BASE_PEM_H

#include "base/err.h"

/* Whether a regular file holds certificates in PEM, one at least and none damaged; keys and texts between
 * them are passed over. -1 and *err (ERR_IO, ERR_INVALID), which names the path and nothing of what is in it.
 */
int pem_check_certificates(const char *path, struct err *err);

#endif
