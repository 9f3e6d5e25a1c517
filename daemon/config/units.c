#include "config/units.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

struct unit {
    const char *name;
    uint64_t factor;
};

/* From large to small. */
static const struct unit durations[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000},
                                        {"s", 1000},     {"ms", 1},      {NULL, 0}};
static const struct unit sizes[] = {
    {"GiB", 1u << 30}, {"MiB", 1u << 20}, {"KiB", 1u << 10}, {"", 1}, {NULL, 0}};
static const struct unit integers[] = {{"", 1}, {NULL, 0}};

static const struct unit *units_of(enum mu_config_type type) {
    return type == MU_TYPE_DURATION ? durations : type == MU_TYPE_SIZE ? sizes : integers;
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

const char *mu_units_noun(enum mu_config_type type) {
    return type == MU_TYPE_DURATION   ? "a duration"
           : type == MU_TYPE_SIZE     ? "a size"
           : type == MU_TYPE_FRACTION ? "a decimal number"
                                      : "a whole number";
}

const char *mu_units_without_zeros(const char *text) {
    while (text[0] == '0' && is_digit(text[1])) {
        text++;
    }
    return text;
}

/* Digits, and at most three more after a point. */
static enum mu_units_result read_fraction(const char *text, uint64_t *value) {
    const char *at = text;
    uint64_t number = 0;
    int decimals = 0;

    for (; is_digit(*at) && at - text < 12; at++) {
        number = number * 10 + (uint64_t)(*at - '0');
    }
    if (at == text || (*at == '.' && !is_digit(at[1]))) {
        return MU_UNITS_MALFORMED;
    }
    if (mu_units_without_zeros(text) != text) {
        return MU_UNITS_LEADING_ZERO;
    }
    if (*at == '.') {
        at++;
    }
    for (; decimals < 3; decimals++) {
        number = number * 10 + (is_digit(*at) ? (uint64_t)(*at++ - '0') : 0);
    }
    if (*at != '\0') {
        return MU_UNITS_MALFORMED;
    }
    *value = number;
    return MU_UNITS_OK;
}

static bool print_fraction(uint64_t value, struct mu_buffer *out) {
    unsigned decimals = (unsigned)(value % 1000);
    int digits = 3;

    while (digits > 0 && decimals % 10 == 0) {
        decimals /= 10;
        digits--;
    }
    if (digits == 0) {
        return mu_buffer_printf(out, "%" PRIu64, value / 1000);
    }
    return mu_buffer_printf(out, "%" PRIu64 ".%0*u", value / 1000, digits, decimals);
}

enum mu_units_result mu_units_read(enum mu_config_type type, const char *text, uint64_t *value) {
    const struct unit *unit = units_of(type);
    const char *at = text;
    uint64_t number = 0;
    bool overflow = false;

    if (type == MU_TYPE_FRACTION) {
        return read_fraction(text, value);
    }
    for (; is_digit(*at); at++) {
        uint64_t digit = (uint64_t)(*at - '0');

        overflow = overflow || number > (UINT64_MAX - digit) / 10;
        number = number * 10 + digit;
    }
    if (at == text) {
        return MU_UNITS_MALFORMED;
    }
    while (unit->name != NULL && strcmp(unit->name, at) != 0) {
        unit++;
    }
    if (unit->name == NULL) {
        return *at == '\0' ? MU_UNITS_NO_UNIT : MU_UNITS_MALFORMED;
    }
    if (mu_units_without_zeros(text) != text) {
        return MU_UNITS_LEADING_ZERO;
    }
    if (overflow || number > UINT64_MAX / unit->factor) {
        return MU_UNITS_OVERFLOW;
    }
    *value = number * unit->factor;
    return MU_UNITS_OK;
}

bool mu_units_print(enum mu_config_type type, uint64_t value, struct mu_buffer *out) {
    const struct unit *unit = units_of(type);

    if (type == MU_TYPE_FRACTION) {
        return print_fraction(value, out);
    }
    /* Zero is divided by everything and shown in the smallest unit. */
    while (unit[1].name != NULL && (value == 0 || value % unit->factor != 0)) {
        unit++;
    }
    return mu_buffer_printf(out, "%" PRIu64 "%s", value / unit->factor, unit->name);
}
