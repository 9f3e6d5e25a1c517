/* reload.c - a new configuration for plugins that run: all of them take it, or none.
 *
 * The happy path: the entry of each plugin is found again by its name and held against the plugin's
 * keys - it is handed to reload() of each that has one - all agree: what is asked of a plugin's
 * configuration from then on is answered from the new one. Each changed key is named, with whether
 * it counts now or after a restart.
 *
 * Ways to fail: a part is wrong, or a plugin refuses it: those that took theirs are handed the old
 * one again, and nothing has changed. An entry that is new, gone, or of a plugin without reload()
 * takes a restart. Old trees stay until the end, since plugins may point into them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "plugin/internal.h"

static const struct muster_config *find(const struct muster_config *load, const char *name) {
    for (size_t i = 0; load != NULL && i < load->count; i++) {
        if (strcmp(mu_tree_get(load->items[i], "name")->text, name) == 0) {
            return load->items[i];
        }
    }
    return NULL;
}

static void retire(struct muster_plugin *plugin, struct muster_config *tree) {
    plugin->retired =
        mu_realloc(plugin->retired, (plugin->retired_count + 1) * sizeof(struct muster_config *));
    plugin->retired[plugin->retired_count++] = tree;
}

/* ---- what changed ---- */

static void say(struct mu_plugins *self, struct mu_reload_counts *counts, const char *plugin,
                const char *key, const char *waits) {
    char name[256];
    snprintf(name, sizeof name, "plugins.load.%s%s%s", plugin, key[0] != '\0' ? "." : "", key);
    if (waits != NULL) {
        counts->waiting++;
        MU_LOG(self->options.log, MU_LOG_WARN, "config.needs_restart", MU_STR("key", name),
               MU_STR("plugin", plugin), MU_STR("message", waits));
    } else {
        counts->applied++;
        MU_LOG(self->options.log, MU_LOG_INFO, "config.applied", MU_STR("key", name),
               MU_STR("plugin", plugin));
    }
}

static bool waits_for_restart(const struct muster_plugin *plugin, const char *key) {
    for (size_t i = 0; i < plugin->waiting_count; i++) {
        if (strcmp(plugin->waiting[i], key) == 0) {
            return true;
        }
    }
    return false;
}

void mu_host_restart_needed(struct muster_plugin *plugin, const char *key) {
    if (!mu_plugin_here(plugin, "restart_needed")) {
        return;
    }
    for (size_t i = 0; i < plugin->schema.count; i++) {
        const char *known = plugin->schema.keys[i].name;
        if (plugin->reloading && strcmp(known, key) == 0 && !waits_for_restart(plugin, key)) {
            plugin->waiting =
                mu_realloc(plugin->waiting, (plugin->waiting_count + 1) * sizeof *plugin->waiting);
            plugin->waiting[plugin->waiting_count++] = known;
            return;
        }
    }
}

/* What waits stays as it is in what counts: only so can the next reload tell. */
static void keep_old(struct muster_plugin *plugin, struct muster_config *fresh, const char *key) {
    const struct muster_config *old = mu_tree_get(plugin->config, key);
    for (size_t i = 0; i < fresh->count; i++) {
        if (strcmp(fresh->items[i]->key, key) == 0) {
            retire(plugin, fresh->items[i]);
            fresh->items[i] = fresh->items[--fresh->count];
            break;
        }
    }
    if (old != NULL) {
        mu_tree_add(fresh, mu_tree_copy(old));
    }
}

static void compare(struct muster_plugin *plugin, struct muster_config *fresh,
                    struct mu_reload_counts *counts) {
    for (size_t i = 0; i < plugin->schema.count; i++) {
        const char *key = plugin->schema.keys[i].name;
        if (mu_tree_same(mu_tree_get(plugin->config, key), mu_tree_get(fresh, key))) {
            continue;
        }
        const char *waits = plugin->hooks.reload == NULL ? "the plugin reads it only at start"
                            : waits_for_restart(plugin, key)
                                ? "the plugin takes it only with a restart"
                                : NULL;
        say(plugin->owner, counts, plugin->name, key, waits);
        if (waits != NULL) {
            keep_old(plugin, fresh, key);
        }
    }
}

/* ---- asking them ---- */

static enum muster_status check(const struct muster_plugin *plugin,
                                const struct muster_config *load, struct muster_config **fresh,
                                struct mu_error *error) {
    const struct muster_config *entry = find(load, plugin->entry);
    if (plugin->life != MU_PLUGIN_STARTED || entry == NULL) {
        return MUSTER_OK;
    }
    const struct muster_config *given = mu_tree_get(entry, "config");
    return mu_schema_check(
        &plugin->schema, given != NULL && given->kind == MU_TREE_MAPPING ? given : NULL,
        given != NULL ? given->place : entry->place, load->directory, fresh, error);
}

static enum muster_status hand_over(struct muster_plugin *plugin, const struct muster_config *fresh,
                                    struct muster_complaint *complaint) {
    enum muster_status status = MUSTER_INTERNAL;
    *complaint = (struct muster_complaint){.text = ""};
    plugin->waiting_count = 0;
    plugin->reloading = true;
    MU_CALL(plugin, "reload", status = plugin->hooks.reload(plugin->state, fresh, complaint));
    plugin->reloading = false;
    complaint->text[sizeof complaint->text - 1] = '\0';
    return status;
}

static void refused(const struct muster_plugin *plugin, const struct mu_error *error) {
    MU_LOG(plugin->owner->options.log, MU_LOG_ERROR, "plugin.reload_refused",
           MU_STR("plugin", plugin->name), MU_STR("error", error->text));
}

/* Somebody refused: the first `count` go back to what they had. */
static void take_back(struct mu_plugins *self, struct muster_config **fresh, size_t count) {
    for (size_t i = 0; i < count; i++) {
        struct muster_plugin *plugin = self->list[i];
        struct muster_complaint complaint;
        if (fresh[i] == NULL || plugin->hooks.reload == NULL) {
            continue;
        }
        if (hand_over(plugin, plugin->config, &complaint) != MUSTER_OK) {
            MU_LOG(self->options.log, MU_LOG_ERROR, "plugin.not_taken_back",
                   MU_STR("plugin", plugin->name), MU_STR("error", complaint.text),
                   MU_STR("message", "it refuses what it had before, and goes on with the new "
                                     "configuration until the daemon is restarted"));
        }
        retire(plugin, fresh[i]);
        fresh[i] = NULL;
    }
}

static enum muster_status ask_all(struct mu_plugins *self, const struct muster_config *load,
                                  struct muster_config **fresh, struct mu_error *error) {
    for (size_t i = 0; i < self->count; i++) {
        if (check(self->list[i], load, &fresh[i], error) != MUSTER_OK) {
            refused(self->list[i], error);
            return MUSTER_BAD_REQUEST;
        }
    }
    for (size_t i = 0; i < self->count; i++) {
        struct muster_plugin *plugin = self->list[i];
        struct muster_complaint complaint;
        if (fresh[i] == NULL || plugin->hooks.reload == NULL ||
            hand_over(plugin, fresh[i], &complaint) == MUSTER_OK) {
            continue;
        }
        mu_error_set(error, MUSTER_BAD_REQUEST, "%s: plugin %s refuses to reload: %s",
                     find(load, plugin->entry)->place, plugin->name,
                     complaint.text[0] != '\0' ? complaint.text : "it does not say why");
        refused(plugin, error);
        take_back(self, fresh, i);
        return MUSTER_BAD_REQUEST;
    }
    return MUSTER_OK;
}

/* ---- what they took ---- */

/* `fresh` is the plugin's from now on. True when it may decide otherwise now. */
static bool commit(struct muster_plugin *plugin, struct muster_config *fresh,
                   struct mu_reload_counts *counts) {
    if (fresh == NULL) {
        if (plugin->life == MU_PLUGIN_STARTED) {
            say(plugin->owner, counts, plugin->entry, "",
                "it is no more in plugins.load, and goes on until the daemon is restarted");
        }
        return false;
    }
    compare(plugin, fresh, counts);
    retire(plugin, plugin->config);
    plugin->config = fresh;
    if (plugin->hooks.reload != NULL) {
        MU_LOG(plugin->owner->options.log, MU_LOG_INFO, "plugin.reloaded",
               MU_STR("plugin", plugin->name));
    }
    return plugin->hooks.reload != NULL;
}

static bool is_loaded(const struct mu_plugins *self, const char *name) {
    for (size_t i = 0; i < self->count; i++) {
        if (strcmp(self->list[i]->entry, name) == 0) {
            return true;
        }
    }
    return false;
}

enum muster_status mu_plugins_reload(struct mu_plugins *self, const struct mu_config *config,
                                     struct mu_reload_counts *counts, struct mu_error *error) {
    const struct muster_config *load = config->plugins.load;
    struct muster_config *fresh[MU_PLUGINS_MAX] = {NULL};
    bool changed = false;
    *counts = (struct mu_reload_counts){0};
    if (ask_all(self, load, fresh, error) != MUSTER_OK) {
        for (size_t i = 0; i < self->count; i++) {
            mu_tree_destroy(&fresh[i]);
        }
        return MUSTER_BAD_REQUEST;
    }
    for (size_t i = 0; i < self->count; i++) {
        changed = commit(self->list[i], fresh[i], counts) || changed;
    }
    for (size_t i = 0; load != NULL && i < load->count; i++) {
        const char *name = mu_tree_get(load->items[i], "name")->text;
        if (!is_loaded(self, name)) {
            say(self, counts, name, "", "a plugin is loaded only at start");
        }
    }
    if (changed) {
        mu_auth_flush(self->options.auth);
    }
    return MUSTER_OK;
}
