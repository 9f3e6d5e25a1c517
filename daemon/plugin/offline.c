#include "plugin/offline.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "plugin/internal.h"

/* ---- the host ---- */

static const struct muster_config *get(struct muster_plugin *plugin,
                                       const struct muster_config *node, const char *key) {
    (void)plugin;
    return mu_tree_get(node, key);
}

static size_t count(struct muster_plugin *plugin, const struct muster_config *node) {
    (void)plugin;
    return node->count;
}

static const struct muster_config *item(struct muster_plugin *plugin,
                                        const struct muster_config *node, size_t index) {
    (void)plugin;
    return index < node->count ? node->items[index] : NULL;
}

static const char *key(struct muster_plugin *plugin, const struct muster_config *node,
                       size_t index) {
    const struct muster_config *found = item(plugin, node, index);
    return found != NULL ? found->key : NULL;
}

static const char *text(struct muster_plugin *plugin, const struct muster_config *node) {
    (void)plugin;
    return node != NULL && node->kind == MU_TREE_SCALAR && !node->null ? node->text : NULL;
}

static bool number(struct muster_plugin *plugin, const struct muster_config *node,
                   enum muster_config_type type, uint64_t *value) {
    const char *found = text(plugin, node);
    return found != NULL && mu_schema_number(type, found, value);
}

static const char *place(struct muster_plugin *plugin, const struct muster_config *node) {
    (void)plugin;
    return node->place;
}

const struct muster_host *mu_offline_host(void) {
    static const struct muster_host host = {
        .size = sizeof host,
        .abi_major = MUSTER_ABI_MAJOR,
        .abi_minor = MUSTER_ABI_MINOR,
        .config_get = get,
        .config_count = count,
        .config_item = item,
        .config_key = key,
        .config_text = text,
        .config_number = number,
        .config_place = place,
    };
    return &host;
}

/* ---- plugins.load ---- */

static bool is_called(const char *given, const char *name) {
    const char *slash = strrchr(given, '/');
    const char *file = slash != NULL ? slash + 1 : given;
    size_t length = strlen(name);
    return strncmp(file, name, length) == 0 &&
           (file[length] == '\0' || strcmp(file + length, ".so") == 0);
}

enum muster_status mu_offline_read(const struct mu_config *config, const struct mu_schema *schema,
                                   struct muster_config **checked, struct mu_error *error) {
    const struct muster_config *load = config->plugins.load;
    *checked = NULL;
    for (size_t i = 0; load != NULL && i < load->count; i++) {
        const struct muster_config *name = mu_tree_get(load->items[i], "name");
        if (name != NULL && name->text != NULL && is_called(name->text, schema->plugin)) {
            const struct muster_config *given = mu_tree_get(load->items[i], "config");
            return mu_schema_check(schema,
                                   given != NULL && given->kind == MU_TREE_MAPPING ? given : NULL,
                                   given != NULL ? given->place : load->items[i]->place,
                                   load->directory, checked, error);
        }
    }
    return mu_error_set(error, MUSTER_BAD_REQUEST, "plugins.load: '%s' is not loaded",
                        schema->plugin);
}

/* ---- a file ---- */

static enum muster_status take(struct muster_plugin *plugin, const struct mu_config *config,
                               const struct muster_config *entry, struct mu_error *error) {
    const struct muster_config *given = mu_tree_get(entry, "config");
    struct muster_config *checked = NULL;
    enum muster_status status =
        mu_plugin_find(config, mu_tree_get(entry, "name")->text, &plugin->file, error);
    status = status == MUSTER_OK ? mu_plugin_check_file(plugin->file, error) : status;
    status = status == MUSTER_OK ? mu_plugin_open(plugin, error) : status;
    if (status != MUSTER_OK) {
        return mu_error_prefix(error, "%s: plugins.load", entry->place);
    }
    status = mu_schema_check(&plugin->schema,
                             given != NULL && given->kind == MU_TREE_MAPPING ? given : NULL,
                             given != NULL ? given->place : entry->place,
                             config->plugins.load->directory, &checked, error);
    mu_tree_destroy(&checked);
    return status;
}

enum muster_status mu_offline_examine(const struct mu_config *config,
                                      const struct muster_config *entry,
                                      struct mu_offline_plugin *out, struct mu_error *error) {
    struct muster_plugin *plugin = mu_calloc(1, sizeof *plugin);
    enum muster_status status = take(plugin, config, entry, error);
    if (status == MUSTER_OK) {
        snprintf(out->name, sizeof out->name, "%s", plugin->name);
        snprintf(out->version, sizeof out->version, "%s", plugin->version);
        out->abi_minor = plugin->abi_minor;
    }
    free(plugin->name);
    free(plugin->file);
    free(plugin);
    return status;
}
