/* reader.h - walks a part of the configuration through the host's config_* slots, and nothing else
 * of it: musterctl reads the same file with a host that has only those. */
#ifndef RULES_READER_H
#define RULES_READER_H

#include "muster/plugin.h"

#define RULES_TEXT_MAX 256 /* bytes of a name, a role, a subject */

struct rules_reader {
    struct muster_plugin *plugin;
    const struct muster_host *host;
    struct muster_complaint *complaint;
    char where[320]; /* begins every complaint: "rules: rule 3: " */
};

enum rules_shape { RULES_NOTHING, RULES_TEXT, RULES_LIST, RULES_MAPPING };

/* An empty list or mapping is nothing, as is `key:` without a value. */
enum rules_shape rules_shape(const struct rules_reader *reader, const struct muster_config *node);

/* Writes "<place of node>: <where><sentence>" into the complaint; returns BAD_REQUEST. */
enum muster_status rules_complain(const struct rules_reader *reader,
                                  const struct muster_config *node, const char *format, ...)
    MUSTER_PRINTF(3, 4);

/* Refuses a node that is no mapping, and keys that are not among `allowed` (ends with NULL). */
enum muster_status rules_check_keys(const struct rules_reader *reader,
                                    const struct muster_config *node, const char *const *allowed);

/* A text of 1 to `most` bytes; BAD_REQUEST with a complaint. */
enum muster_status rules_read_text(const struct rules_reader *reader,
                                   const struct muster_config *node, const char *name, size_t most,
                                   const char **text);
/* One of `words` (ends with NULL): its index. */
enum muster_status rules_read_word(const struct rules_reader *reader,
                                   const struct muster_config *node, const char *name,
                                   const char *const *words, size_t *index);
/* A number from `least` to `most`; `noun` says what is allowed. */
enum muster_status rules_read_number(const struct rules_reader *reader,
                                     const struct muster_config *node, const char *name,
                                     enum muster_config_type type, uint64_t least, uint64_t most,
                                     uint64_t *number);

/* One text or a list of 1 to `most` texts: calls `take` with each; it complains by itself. */
enum muster_status
rules_read_each(const struct rules_reader *reader, const struct muster_config *node,
                const char *name, size_t most,
                enum muster_status (*take)(void *context, const struct rules_reader *reader,
                                           const struct muster_config *item, const char *text),
                void *context);
/* How many items that has. */
size_t rules_count(const struct rules_reader *reader, const struct muster_config *node);

/* "a, b and c" of a list that ends with NULL. */
void rules_join(char *out, size_t size, const char *const *words);

#endif
