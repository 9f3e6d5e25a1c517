/* reload.c - a new configuration for plugins that run.
 *
 * The happy path: the entry of each plugin is found again by its name, held against the plugin's
 * keys, and handed to reload(); the plugin takes it whole, and what is asked of its configuration
 * from then on is answered from the new one.
 *
 * Ways to fail: the new part is wrong, or the plugin refuses it (said with place and sentence; it
 * goes on with what it has); an entry that is new, gone, or of a plugin without reload() (said: it
 * takes a restart). Old trees stay until the end, since plugins may point into them.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "plugin/internal.h"

static void say(const struct mu_plugins *self, const char *event, const char *name,
                const char *message) {
    MU_LOG(self->options.log, MU_LOG_WARN, event, MU_STR("plugin", name),
           MU_STR("message", message));
}

static const struct muster_config *find(const struct muster_config *load, const char *name) {
    for (size_t i = 0; load != NULL && i < load->count; i++) {
        if (strcmp(mu_tree_get(load->items[i], "name")->text, name) == 0) {
            return load->items[i];
        }
    }
    return NULL;
}

static bool same(const struct muster_config *a, const struct muster_config *b) {
    struct mu_buffer left;
    struct mu_buffer right;
    mu_buffer_init(&left, 0);
    mu_buffer_init(&right, 0);
    if (!mu_tree_print(a, &left) || !mu_tree_print(b, &right)) {
        abort(); /* out of memory, as in alloc.c */
    }
    bool result = left.length == right.length && memcmp(left.data, right.data, left.length) == 0;
    mu_buffer_deinit(&left);
    mu_buffer_deinit(&right);
    return result;
}

/* `fresh` is the plugin's from now on. */
static void take(struct muster_plugin *plugin, struct muster_config *fresh) {
    plugin->retired =
        mu_realloc(plugin->retired, (plugin->retired_count + 1) * sizeof(struct muster_config *));
    plugin->retired[plugin->retired_count++] = plugin->config;
    plugin->config = fresh;
}

static bool hand_over(struct muster_plugin *plugin, const char *place,
                      const struct muster_config *fresh, struct mu_error *error) {
    struct muster_complaint complaint = {.text = ""};
    enum muster_status status = MUSTER_INTERNAL;
    MU_CALL(plugin, "reload", status = plugin->hooks.reload(plugin->state, fresh, &complaint));
    complaint.text[sizeof complaint.text - 1] = '\0';
    if (status == MUSTER_OK) {
        return true;
    }
    mu_error_set(error, MUSTER_BAD_REQUEST, "%s: plugin %s refuses to reload: %s", place,
                 plugin->name, complaint.text[0] != '\0' ? complaint.text : "it does not say why");
    return false;
}

/* True when it was given a new configuration. */
static bool reload(struct muster_plugin *plugin, const struct muster_config *load) {
    struct mu_plugins *self = plugin->owner;
    const struct muster_config *entry = find(load, plugin->entry);
    struct muster_config *fresh = NULL;
    struct mu_error error = {0};
    if (entry == NULL) {
        say(self, "plugin.restart_needed", plugin->name,
            "it is no more in plugins.load, and goes on until the daemon is restarted");
        return false;
    }
    const struct muster_config *given = mu_tree_get(entry, "config");
    enum muster_status status = mu_schema_check(
        &plugin->schema, given != NULL && given->kind == MU_TREE_MAPPING ? given : NULL,
        given != NULL ? given->place : entry->place, load->directory, &fresh, &error);
    if (status == MUSTER_OK && plugin->hooks.reload == NULL) {
        if (!same(plugin->config, fresh)) {
            say(self, "plugin.restart_needed", plugin->name,
                "its configuration has changed, and it takes a new one only at start");
        }
        mu_tree_destroy(&fresh);
        return false;
    }
    if (status == MUSTER_OK && hand_over(plugin, entry->place, fresh, &error)) {
        take(plugin, fresh);
        MU_LOG(self->options.log, MU_LOG_INFO, "plugin.reloaded", MU_STR("plugin", plugin->name));
        return true;
    }
    mu_tree_destroy(&fresh);
    MU_LOG(self->options.log, MU_LOG_ERROR, "plugin.reload_refused", MU_STR("plugin", plugin->name),
           MU_STR("error", error.text));
    return false;
}

static bool is_loaded(const struct mu_plugins *self, const char *name) {
    for (size_t i = 0; i < self->count; i++) {
        if (strcmp(self->list[i]->entry, name) == 0) {
            return true;
        }
    }
    return false;
}

void mu_plugins_reload(struct mu_plugins *self, const struct mu_config *config) {
    const struct muster_config *load = config->plugins.load;
    bool changed = false;
    for (size_t i = 0; i < self->count; i++) {
        if (self->list[i]->life == MU_PLUGIN_STARTED) {
            changed = reload(self->list[i], load) || changed;
        }
    }
    for (size_t i = 0; load != NULL && i < load->count; i++) {
        const char *name = mu_tree_get(load->items[i], "name")->text;
        if (!is_loaded(self, name)) {
            say(self, "plugin.restart_needed", name, "a plugin is loaded only at start");
        }
    }
    if (changed) {
        mu_auth_flush(self->options.auth);
    }
}
