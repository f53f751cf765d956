/* Indicators: which values of a threat's evidence stand in the lists whose names begin with "intel_". Any
 * thread that holds the ruleset. */
#ifndef LUNETTE_PIPELINE_INTEL_H
#define LUNETTE_PIPELINE_INTEL_H

#include "rules/ruleset.h"

#define INTEL_MATCHES_MAX 20 /* of one threat */

/* Appends a JSON array of {list, indicator, field, evidence, attributes}. A value is looked up as it is (an
 * address also by the networks of a list), a domain also by its parents, a URL also by its host, and each
 * hash of "SHA256=…,MD5=…" alone. Returns how many. */
size_t intel_find(const struct ruleset *set, const struct threat *threat, struct buf *out);

#endif
