/* tree.h - a part of the configuration that the table of keys does not describe: what stands in
 * plugins.load is checked later, against the schema of each plugin.
 *
 * A node is what plugins see as `struct muster_config`. Environment variables are in place;
 * `file:` is not read here, since only the schema says what is a secret.
 */
#ifndef MU_CONFIG_TREE_H
#define MU_CONFIG_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <yaml.h>

#include "base/buffer.h"
#include "base/error.h"

enum mu_tree_kind { MU_TREE_SCALAR, MU_TREE_LIST, MU_TREE_MAPPING };

struct muster_config {
    enum mu_tree_kind kind;
    bool null;       /* a scalar without a value: `key:`, `~` or `null` */
    bool secret;     /* `text` is wiped before it is freed */
    char *key;       /* its name in the mapping above, else NULL */
    char *text;      /* of a scalar, as it counts */
    char *raw;       /* of a scalar, as it was written */
    char *place;     /* "file:line:column", "--set" or "default" */
    char *directory; /* of the root: where relative secret files are; else NULL */
    struct muster_config **items;
    size_t count;
};

/* Where a document comes from. */
struct mu_tree_source {
    yaml_document_t *document;
    const char *name;      /* of the file; NULL: a --set */
    const char *directory; /* for the root */
    const char *key;       /* dotted, for the sentences of errors */
};

/* Copies a node with all below it. NULL, with a whole sentence in `error`: a variable that is not
 * set, a key given twice, a text that is not printable. */
struct muster_config *mu_tree_read(const struct mu_tree_source *source, const yaml_node_t *node,
                                   struct mu_error *error);
/* An empty node; `key` and `place` are copied, `key` may be NULL. */
struct muster_config *mu_tree_create(enum mu_tree_kind kind, const char *key, const char *place);
/* Takes over `item`. */
void mu_tree_add(struct muster_config *node, struct muster_config *item);
struct muster_config *mu_tree_copy(const struct muster_config *node);
/* Clears the pointer; NULL in it is fine. */
void mu_tree_destroy(struct muster_config **node);

/* NULL when there is none, or when `node` is no mapping. */
const struct muster_config *mu_tree_get(const struct muster_config *node, const char *key);
/* "a mapping", "a list", "a text" or "no value". */
const char *mu_tree_noun(const struct muster_config *node);

/* Do both say the same, as they count? Where it was written does not matter. NULL equals NULL. */
bool mu_tree_same(const struct muster_config *a, const struct muster_config *b);

/* Appends the node in YAML's flow style, as it was written (`${NAME}` and `file:` stay). What
 * stands under the name of a secret, or as the password of a URL, is masked. */
bool mu_tree_print(const struct muster_config *node, struct mu_buffer *out) MU_WARN_UNUSED;

/* The items of plugins.load: a list of at most 64 mappings with `name` and perhaps `config`. */
#define MU_PLUGINS_MAX 64
enum muster_status mu_tree_check_plugins(const struct muster_config *load, struct mu_error *error);

#endif
