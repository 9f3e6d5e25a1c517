#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "config/keys.h"
#include "config/value.h"

/* How many bytes of the dotted names, up to and with a dot, both have in common. */
static size_t common_section(const char *a, const char *b) {
    size_t common = 0;

    for (size_t i = 0; a[i] != '\0' && a[i] == b[i]; i++) {
        if (a[i] == '.') {
            common = i + 1;
        }
    }
    return common;
}

static void indent(FILE *out, size_t depth) {
    for (size_t i = 0; i < depth; i++) {
        fputs("  ", out);
    }
}

/* Opens the sections of `name` that the key before was not in; returns the depth of the key. */
static size_t open_sections(FILE *out, const char *before, const char *name) {
    size_t common = common_section(before, name);
    const char *at = name;
    const char *dot;
    size_t depth = 0;

    while ((dot = strchr(at, '.')) != NULL) {
        if ((size_t)(dot - name) >= common) {
            indent(out, depth);
            fprintf(out, "%.*s:\n", (int)(dot - at), at);
        }
        at = dot + 1;
        depth++;
    }
    return depth;
}

void mu_config_print(const struct mu_config *config, FILE *out) {
    const char *before = "";

    for (size_t i = 0; i < mu_config_key_count; i++) {
        const struct mu_config_key *key = &mu_config_keys[i];
        const char *dot = strrchr(key->name, '.');
        struct mu_buffer value;
        size_t depth;

        mu_buffer_init(&value, 0);
        if (!mu_value_print(config, key, &value)) {
            abort(); /* out of memory, as in alloc.c */
        }
        depth = open_sections(out, before, key->name);
        indent(out, depth);
        fprintf(out, "%s: %s\n", dot != NULL ? dot + 1 : key->name, value.data);
        mu_buffer_deinit(&value);
        before = key->name;
    }
}
