#include "auth_rules/glob.h"

#include <stdint.h>
#include <string.h>

#include "auth_rules/alloc.h"

/* In the code of a pattern. The configuration lets no control character through. */
#define STAR '\001'
#define PRINCIPAL '\002'
#define INSTANCE '\003'
#define USER '\004'

#define NAME_MAX_BYTES 256 /* of a principal, the longest that a placeholder stands for */
#define EXPANDED_MAX (RULES_GLOB_MAX + RULES_PLACEHOLDERS_MAX * NAME_MAX_BYTES)

static const struct {
    const char *text;
    char code;
} placeholders[] = {{"{principal}", PRINCIPAL}, {"{instance}", INSTANCE}, {"{user}", USER}};

/* ---- reading ---- */

static bool is_id_byte(char byte) {
    return (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') ||
           (byte >= '0' && byte <= '9') || (byte != '\0' && strchr("._~@|+=-", byte) != NULL);
}

/* The length of the placeholder at `text`; 0: there is none. */
static size_t placeholder_at(const char *text, char *code) {
    for (size_t i = 0; i < sizeof placeholders / sizeof placeholders[0]; i++) {
        size_t length = strlen(placeholders[i].text);
        if (strncmp(text, placeholders[i].text, length) == 0) {
            *code = placeholders[i].code;
            return length;
        }
    }
    return 0;
}

static const char *encode(char *out, enum rules_alphabet alphabet, const char *text) {
    size_t wanted = 0;
    while (*text != '\0') {
        size_t length = 1;
        if (*text == '*') {
            *out++ = STAR;
        } else if (alphabet == RULES_OF_NAMES || is_id_byte(*text)) {
            *out++ = *text;
        } else if ((length = placeholder_at(text, out)) > 0) {
            out++;
            if (++wanted > RULES_PLACEHOLDERS_MAX) {
                return "has too many placeholders; allowed are 4";
            }
        } else {
            return "has a byte that no id has; allowed are A-Z a-z 0-9 . _ ~ @ | + = - and *, and "
                   "the placeholders {principal}, {instance} and {user}";
        }
        text += length;
    }
    return NULL;
}

enum muster_status rules_glob_read(struct rules_glob *glob, enum rules_alphabet alphabet,
                                   const char *text, const char **wrong) {
    size_t length = strlen(text);
    glob->code = NULL;
    if (length == 0 || length > RULES_GLOB_MAX) {
        *wrong = length == 0 ? "is empty; allowed are 1 to 256 bytes"
                             : "is too long; allowed are 1 to 256 bytes";
        return MUSTER_BAD_REQUEST;
    }
    char *code = rules_calloc(1, length + 1);
    *wrong = encode(code, alphabet, text);
    if (*wrong != NULL) {
        free(code);
        return MUSTER_BAD_REQUEST;
    }
    glob->code = code;
    return MUSTER_OK;
}

void rules_glob_deinit(struct rules_glob *glob) {
    free(glob->code);
    glob->code = NULL;
}

/* ---- matching ---- */

struct expanded {
    char data[EXPANDED_MAX];
    size_t length;
};

static const char *value_of(const struct rules_names *names, char code) {
    return code == PRINCIPAL ? names->principal : code == INSTANCE ? names->instance : names->user;
}

/* False: a placeholder stands for nothing, or for more than it may. */
static bool expand(struct expanded *out, const char *code, const struct rules_names *names) {
    out->length = 0;
    for (; *code != '\0'; code++) {
        if (*code != PRINCIPAL && *code != INSTANCE && *code != USER) {
            out->data[out->length++] = *code;
            continue;
        }
        const char *value = names != NULL ? value_of(names, *code) : NULL;
        size_t length = value != NULL ? strnlen(value, NAME_MAX_BYTES + 1) : 0;
        if (value == NULL || length > NAME_MAX_BYTES) {
            return false;
        }
        memcpy(out->data + out->length, value, length);
        out->length += length;
    }
    return true;
}

/* A `*` of the value is matched by a `*` of the pattern only, not by one that a placeholder put
 * there: a principal may be called `*`. */
static bool covers(const struct expanded *pattern, const char *value, size_t length) {
    const char *p = pattern->data;
    size_t i = 0;
    size_t j = 0;
    size_t star = SIZE_MAX;
    size_t back = 0;
    while (j < length) {
        if (i < pattern->length && p[i] == STAR) {
            star = i++;
            back = j;
        } else if (i < pattern->length && p[i] == value[j] && value[j] != '*') {
            i++;
            j++;
        } else if (star != SIZE_MAX) {
            i = star + 1;
            j = ++back;
        } else {
            return false;
        }
    }
    while (i < pattern->length && p[i] == STAR) {
        i++;
    }
    return i == pattern->length;
}

/* Is there a text that both match? By the ends of both, from the shortest on. */
static bool touches(const struct expanded *pattern, const char *value, size_t length) {
    bool rows[2][RULES_VALUE_MAX + 1] = {{false}};
    for (size_t i = pattern->length + 1; i-- > 0;) {
        bool *row = rows[i % 2];
        const bool *below = rows[(i + 1) % 2]; /* of i + 1 */
        bool last = i == pattern->length;
        bool star = !last && pattern->data[i] == STAR;
        for (size_t j = length + 1; j-- > 0;) {
            bool end = j == length;
            bool wild = !end && value[j] == '*';
            row[j] = last && end;
            if (star) {
                row[j] = below[j] || (!end && row[j + 1]);
            }
            if (wild) {
                row[j] = row[j] || row[j + 1] || (!last && below[j]);
            }
            if (!star && !wild && !last && !end) {
                row[j] = pattern->data[i] == value[j] && below[j + 1];
            }
        }
    }
    return rows[0][0];
}

bool rules_glob_match(const struct rules_glob *glob, const struct rules_names *names,
                      const char *value, enum rules_reach reach) {
    struct expanded pattern;
    size_t length = strnlen(value, RULES_VALUE_MAX + 1);
    if (length > RULES_VALUE_MAX) {
        return reach == RULES_TOUCHES;
    }
    if (!expand(&pattern, glob->code, names)) {
        return false;
    }
    return reach == RULES_TOUCHES && memchr(value, '*', length) != NULL
               ? touches(&pattern, value, length)
               : covers(&pattern, value, length);
}
