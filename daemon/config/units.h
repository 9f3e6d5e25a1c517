/* units.h - whole numbers, fractions, sizes and durations, each as a uint64_t. */
#ifndef MU_CONFIG_UNITS_H
#define MU_CONFIG_UNITS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "config/keys.h"

enum mu_units_result {
    MU_UNITS_OK,
    MU_UNITS_MALFORMED,
    MU_UNITS_LEADING_ZERO, /* `010` is 10 to one reader of YAML and 8 to another */
    MU_UNITS_NO_UNIT,
    MU_UNITS_OVERFLOW
};

/* `type` is MU_TYPE_INTEGER, MU_TYPE_SIZE (in bytes), MU_TYPE_DURATION (in ms) or MU_TYPE_FRACTION
 * (in thousandths). */
enum mu_units_result mu_units_read(enum mu_config_type type, const char *text, uint64_t *value);
/* In the largest unit that divides the value. */
bool mu_units_print(enum mu_config_type type, uint64_t value, struct mu_buffer *out) MU_WARN_UNUSED;

/* "a whole number", "a decimal number", "a size", "a duration". */
const char *mu_units_noun(enum mu_config_type type);
/* Where the number without its leading zeros begins. */
const char *mu_units_without_zeros(const char *text);

#endif
