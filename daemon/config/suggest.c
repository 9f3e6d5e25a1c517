#include <string.h>

#include "config/keys.h"

#define WORD_MAX 64 /* longer words are not compared: no key is near */

static size_t smallest(size_t a, size_t b, size_t c) {
    size_t least = a < b ? a : b;

    return least < c ? least : c;
}

/* Edits (insert, remove, replace a byte) from a to b, where b has at most WORD_MAX bytes. */
static size_t distance(const char *a, size_t a_length, const char *b, size_t b_length) {
    size_t row[WORD_MAX + 1];

    for (size_t j = 0; j <= b_length; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= a_length; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            size_t above = row[j];

            row[j] = smallest(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
            diagonal = above;
        }
    }
    return row[b_length];
}

/* A part of a dotted key, without a copy. */
struct part {
    const char *text;
    size_t length;
};

/* The part of `name` that stands directly in `section`, if it is in there at all. */
static bool part_in(const char *name, const char *section, struct part *part) {
    size_t skip = strlen(section);

    if (skip > 0) {
        if (strncmp(name, section, skip) != 0 || name[skip] != '.') {
            return false;
        }
        skip++;
    }
    part->text = name + skip;
    part->length = strcspn(part->text, ".");
    return true;
}

static bool same(const struct part *a, const struct part *b) {
    return a->length == b->length && memcmp(a->text, b->text, a->length) == 0;
}

/* How many edits still look like a slip. */
static size_t tolerance(size_t length) {
    return length < 4 ? 1 : length < 8 ? 2 : 3;
}

static bool near_sibling(const char *section, const char *last, struct part *found) {
    size_t length = strlen(last);
    size_t best = tolerance(length) + 1;

    for (size_t i = 0; i < mu_config_key_count; i++) {
        struct part part;

        if (part_in(mu_config_keys[i].name, section, &part)) {
            size_t edits = distance(last, length, part.text, part.length);

            if (edits < best && edits < part.length) {
                best = edits;
                *found = part;
            }
        }
    }
    return best <= tolerance(length);
}

/* A key elsewhere whose whole name or last part is exactly what was written. */
static const char *elsewhere(const char *last) {
    for (size_t i = 0; i < mu_config_key_count; i++) {
        const char *name = mu_config_keys[i].name;
        const char *dot = strrchr(name, '.');

        if (dot != NULL && (strcmp(name, last) == 0 || strcmp(dot + 1, last) == 0)) {
            return name;
        }
    }
    return NULL;
}

static bool append_siblings(struct mu_buffer *out, const char *section) {
    struct part parts[32];
    size_t count = 0;

    for (size_t i = 0; i < mu_config_key_count && count < sizeof parts / sizeof parts[0]; i++) {
        struct part part;

        /* Keys of one section stand together, so a part repeats only right after itself. */
        if (part_in(mu_config_keys[i].name, section, &part) &&
            (count == 0 || !same(&part, &parts[count - 1]))) {
            parts[count++] = part;
        }
    }
    for (size_t i = 0; i < count; i++) {
        const char *glue = i == 0 ? "" : i + 1 == count ? " and " : ", ";

        if (!mu_buffer_printf(out, "%s%.*s", glue, (int)parts[i].length, parts[i].text)) {
            return false;
        }
    }
    return true;
}

bool mu_config_key_unknown(struct mu_buffer *out, const char *section, const char *last) {
    struct part near = {0};
    const char *name;

    if (strlen(last) <= WORD_MAX) {
        if (near_sibling(section, last, &near)) {
            return mu_buffer_printf(out, "unknown key; did you mean '%.*s'?", (int)near.length,
                                    near.text);
        }
        name = elsewhere(last);
        if (name != NULL) {
            const char *dot = strrchr(name, '.');

            return mu_buffer_printf(out, "unknown key here; did you mean '%s' inside '%.*s'?",
                                    dot + 1, (int)(dot - name), name);
        }
    }
    return mu_buffer_append_text(out, "unknown key; allowed here are ") &&
           append_siblings(out, section);
}
