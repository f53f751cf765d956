/* Single values of the configuration: text in, text out. For config.c and config_print.c alone. Any thread.
 */
#ifndef LUNETTE_BASE_CONFIG_VALUES_H
#define LUNETTE_BASE_CONFIG_VALUES_H

#include "base/config.h"

#define CONFIG_VARIABLE_MAX 64

/* "retain-events": "LUNETTE_RETAIN_EVENTS". */
void config_variable(const struct config_option *option, char out[CONFIG_VARIABLE_MAX]);
/* Parses, holds against the range and stores at the option's offset. ERR_INVALID. */
int config_value_set(const struct config_option *option, void *config, struct str text, struct err *err);
/* Appends the value that stands there, in the form that config_value_set takes. */
void config_value_put(const struct config_option *option, const void *config, struct buf *out);
/* The same of a number that stands nowhere: an end of a range. */
void config_number_put(const struct config_option *option, int64_t value, struct buf *out);

#endif
