/* schema.h - holds a plugin's part of the configuration against the keys that it declares. */
#ifndef MU_PLUGIN_SCHEMA_H
#define MU_PLUGIN_SCHEMA_H

#include "base/error.h"
#include "config/tree.h"
#include "muster/plugin.h"

#define MU_SCHEMA_KEYS_MAX 256

struct mu_schema {
    const char *plugin; /* its name */
    const char *file;   /* that declares the keys */
    const struct muster_config_key *keys;
    size_t count;
};

/* Is the declaration itself sound? */
enum muster_status mu_schema_sound(const struct mu_schema *schema, struct mu_error *error);
/* `given` is the `config:` mapping, or NULL; secret files are relative to `directory`. *checked is
 * a mapping of every key that was given or has a default. Reads files: may block. */
enum muster_status mu_schema_check(const struct mu_schema *schema,
                                   const struct muster_config *given, const char *place,
                                   const char *directory, struct muster_config **checked,
                                   struct mu_error *error);
/* A scalar as a number. False when it is none. */
bool mu_schema_number(enum muster_config_type type, const char *text, uint64_t *number);

#endif
