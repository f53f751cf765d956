/* Lists of names in requests, "high,critical", added to bit sets. False for a name that is none, and when the
 * set is empty then; what it holds then is of no use. Any thread. */
#ifndef LUNETTE_APP_NAME_SETS_H
#define LUNETTE_APP_NAME_SETS_H

#include <stdbool.h>

#include "base/str.h"

bool severity_set(struct str names, unsigned *set); /* 1 << enum severity */
bool status_set(struct str names, unsigned *set);   /* 1 << enum threat_status */
bool verdict_set(struct str names, unsigned *set);  /* 1 << enum threat_verdict; "none" is one of them */

#endif
