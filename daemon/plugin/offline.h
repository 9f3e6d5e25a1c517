/* offline.h - a plugin's part of the configuration without a daemon: for tools and tests that read
 * it with the plugin's own parser. */
#ifndef MU_PLUGIN_OFFLINE_H
#define MU_PLUGIN_OFFLINE_H

#include "config/config.h"
#include "plugin/schema.h"

#define MU_OFFLINE_TEXT 128

/* A host that has the slots config_* and no others. A node must be given to each: it knows of no
 * plugin. Static storage. */
const struct muster_host *mu_offline_host(void);

/* Finds the plugin `schema->plugin` in plugins.load, by that name or as a path that ends in
 * <name>.so, and holds its `config:` against the schema. *checked is for mu_tree_destroy().
 * BAD_REQUEST: it is not there, or something in it is wrong. Reads secret files: may block. */
enum muster_status mu_offline_read(const struct mu_config *config, const struct mu_schema *schema,
                                   struct muster_config **checked, struct mu_error *error);

/* What a plugin says of itself. */
struct mu_offline_plugin {
    char name[MU_OFFLINE_TEXT];
    char version[MU_OFFLINE_TEXT];
    uint32_t abi_minor;
};

/* All that musterd does with an entry of plugins.load before it calls the plugin: the file is
 * found, is nobody else's to write, is of our ABI, and its `config:` fits. The error is the
 * daemon's own sentence. Loads the file into this process, for good. */
enum muster_status mu_offline_examine(const struct mu_config *config,
                                      const struct muster_config *entry,
                                      struct mu_offline_plugin *out, struct mu_error *error);

#endif
