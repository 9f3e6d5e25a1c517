/* walk.h - a YAML document into the fields of the configuration. */
#ifndef MU_CONFIG_WALK_H
#define MU_CONFIG_WALK_H

#include <stddef.h>

#include "base/error.h"
#include "config/config.h"

/* A whole file. `name` begins the errors, `directory` is where relative secret files are. */
enum muster_status mu_walk_file(struct mu_config *config, const char *name, const char *directory,
                                const char *text, size_t length, struct mu_error *error);

/* The value of one key from a --set. Errors begin with `--set <key>: `. */
enum muster_status mu_walk_value(struct mu_config *config, size_t key, const char *text,
                                 size_t length, struct mu_error *error);

#endif
