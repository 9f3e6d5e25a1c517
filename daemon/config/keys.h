/* keys.h - the one table of configuration keys: defaults, parsing, checks and printing read it. */
#ifndef MU_CONFIG_KEYS_H
#define MU_CONFIG_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

enum mu_config_type {
    MU_TYPE_TEXT,     /* char *, least to most bytes */
    MU_TYPE_WORD,     /* char *, one of words */
    MU_TYPE_ENUM,     /* an enum, the index of its word */
    MU_TYPE_INTEGER,  /* uint64_t */
    MU_TYPE_SIZE,     /* uint64_t, bytes */
    MU_TYPE_DURATION, /* uint64_t, ms */
    MU_TYPE_FRACTION, /* uint64_t, thousandths */
    MU_TYPE_LIST,     /* char ** and size_t, at most `most` texts */
    MU_TYPE_TREE,     /* struct muster_config *, checked by mu_tree_check_plugins() */
};

/* What a changed value does at SIGHUP. */
enum mu_config_reload {
    MU_RELOAD_RESTART, /* it waits for a restart */
    MU_RELOAD_LIVE,    /* it counts at once; only of numbers and enums, which nobody points to */
    MU_RELOAD_PLUGINS, /* plugins decide, each about its own part */
};

struct mu_config_key {
    const char *name; /* dotted; keys of one section stand together */
    enum mu_config_type type;
    bool secret;          /* may be `file:`, is never repeated in an error, printed masked */
    bool single;          /* of a list: one text may stand for a list of one */
    size_t offset;        /* in struct mu_config */
    size_t count_offset;  /* of a list */
    const char *fallback; /* the default, as the file would have it */
    uint64_t least, most;
    const char *const *words; /* NULL-terminated */
    enum mu_config_reload reload;
    const char *comment; /* one sentence */
};

extern const struct mu_config_key mu_config_keys[];
extern const size_t mu_config_key_count;

/* Index in mu_config_keys, or mu_config_key_count when there is no such key. */
size_t mu_config_key_find(const char *name);
/* Do keys begin with `name` and a dot? The empty name is the section of all. */
bool mu_config_key_is_section(const char *name);

/* Appends what is wrong with the unknown key `last` in `section` ("" at the top): a suggestion
 * when one is near, otherwise what the section has. */
bool mu_config_key_unknown(struct mu_buffer *out, const char *section,
                           const char *last) MU_WARN_UNUSED;

#endif
