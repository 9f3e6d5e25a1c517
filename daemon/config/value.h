/* value.h - text to a field of the configuration and back, by the type of its key. */
#ifndef MU_CONFIG_VALUE_H
#define MU_CONFIG_VALUE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/error.h"
#include "config/config.h"
#include "config/keys.h"

/* Reads the finished text (expanded, without NUL inside) into the field of a key that is no list.
 * On error the field is unchanged; the sentence begins with what is wrong. */
enum muster_status mu_value_read(struct mu_config *config, const struct mu_config_key *key,
                                 const char *text, struct mu_error *error);
/* Puts a list in place; takes over `items` and its texts. */
void mu_value_set_list(struct mu_config *config, const struct mu_config_key *key, char **items,
                       size_t count);
/* Puts a tree in place; takes it over. */
void mu_value_set_tree(struct mu_config *config, const struct mu_config_key *key,
                       struct muster_config *tree);
/* Frees what the field holds and zeroes it. */
void mu_value_clear(struct mu_config *config, const struct mu_config_key *key);

/* Appends the value as YAML that reads as the same value; a secret is masked. */
bool mu_value_print(const struct mu_config *config, const struct mu_config_key *key,
                    struct mu_buffer *out) MU_WARN_UNUSED;
/* A duration as a person would write it: "3s", "1500ms". */
bool mu_value_print_duration(struct mu_buffer *out, uint64_t ms) MU_WARN_UNUSED;
/* Appends what the key allows: "a duration from 10ms to 1h, such as …". */
bool mu_value_allowed(const struct mu_config_key *key, struct mu_buffer *out) MU_WARN_UNUSED;

/* Sets "<wrong>; allowed is <what the key allows>". */
enum muster_status mu_value_refuse(const struct mu_config_key *key, struct mu_error *error,
                                   const char *wrong, ...) MU_PRINTF(3, 4);

#endif
