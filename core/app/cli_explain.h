/* How `lunette explain` puts its answer for people. */
#ifndef LUNETTE_APP_CLI_EXPLAIN_H
#define LUNETTE_APP_CLI_EXPLAIN_H

#include "base/json.h"

/* Prints what explain prints with --json: a line for each condition, under what joins them. */
void explain_print(const struct json *answer);

#endif
