#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "config/text.h"
#include "plugin/internal.h"

/* ---- events ---- */

static void on_message(void *context, const struct muster_event *event) {
    struct muster_plugin *plugin = context;
    if (plugin->life == MU_PLUGIN_STARTED && plugin->transport.message != NULL) {
        MU_CALL(plugin, "transport.message", plugin->transport.message(plugin->state, event));
    }
}

static void on_observed(void *context, const struct muster_event *event) {
    struct muster_plugin *plugin = context;
    if (plugin->life == MU_PLUGIN_STARTED) {
        MU_CALL(plugin, "observer.event", plugin->observer.event(plugin->state, event));
    }
}

static void on_resync(void *context) {
    struct muster_plugin *plugin = context;
    if (plugin->life != MU_PLUGIN_STARTED) {
        return;
    }
    if ((plugin->kinds & MUSTER_TRANSPORT) != 0 && plugin->transport.resync != NULL) {
        MU_CALL(plugin, "transport.resync", plugin->transport.resync(plugin->state));
    }
    if ((plugin->kinds & MUSTER_OBSERVER) != 0 && plugin->observer.resync != NULL) {
        MU_CALL(plugin, "observer.resync", plugin->observer.resync(plugin->state));
    }
}

static void on_confirmed(void *context, uint64_t mark) {
    struct muster_plugin *plugin = context;
    if (plugin->life == MU_PLUGIN_STARTED && plugin->transport.subscribed != NULL) {
        MU_CALL(plugin, "transport.subscribed", plugin->transport.subscribed(plugin->state, mark));
    }
}

enum muster_status mu_plugin_listen(struct muster_plugin *plugin, struct mu_error *error) {
    struct mu_listener_hooks hooks = {
        .message = on_message,
        .observed = (plugin->kinds & MUSTER_OBSERVER) != 0 ? on_observed : NULL,
        .resync = on_resync,
        .confirmed = on_confirmed,
    };
    plugin->listener = mu_events_listen(plugin->owner->options.events, &hooks, plugin);
    return plugin->listener != NULL
               ? MUSTER_OK
               : mu_error_set(error, MUSTER_INTERNAL, "there are too many plugins");
}

/* ---- decisions ---- */

/* A verdict that is none is a denial: what cannot be understood is not allowed. */
static enum muster_verdict checked(struct muster_plugin *plugin, enum muster_verdict verdict) {
    if ((unsigned)verdict <= MUSTER_LATER) {
        return verdict;
    }
    mu_plugin_fault(plugin, MU_FAULT_MISUSE, "a verdict that is none: %d; it counts as a denial",
                    (int)verdict);
    return MUSTER_DENY;
}

void mu_plugin_read_decision(const struct muster_plugin *plugin,
                             const struct muster_decision *decision, struct muster_decision *out) {
    struct muster_decision known = {0};
    memcpy(&known, decision,
           plugin->abi_minor >= 1 ? sizeof known : offsetof(struct muster_decision, quota_holder));
    *out = known;
}

static enum muster_verdict authenticate(void *context, struct muster_handle handle,
                                        const struct muster_credentials *credentials,
                                        struct muster_decision *decision) {
    struct muster_plugin *plugin = context;
    enum muster_verdict verdict = MUSTER_DENY;
    MU_CALL(plugin, "authenticator.authenticate",
            verdict =
                plugin->authenticator.authenticate(plugin->state, handle, credentials, decision));
    return checked(plugin, verdict);
}

static enum muster_verdict authorize(void *context, struct muster_handle handle,
                                     const struct muster_principal *principal,
                                     enum muster_action action,
                                     const struct muster_resource *resource,
                                     struct muster_decision *decision) {
    struct muster_plugin *plugin = context;
    enum muster_verdict verdict = MUSTER_DENY;
    MU_CALL(plugin, "authorizer.authorize",
            verdict = plugin->authorizer.authorize(plugin->state, handle, principal, action,
                                                   resource, decision));
    mu_plugin_read_decision(plugin, decision, decision);
    return checked(plugin, verdict);
}

static struct muster_plugin *find_authorizer(const struct mu_plugins *self, const char *name) {
    for (size_t i = 0; i < self->count; i++) {
        if (strcmp(self->list[i]->name, name) == 0 &&
            (self->list[i]->kinds & MUSTER_AUTHORIZER) != 0) {
            return self->list[i];
        }
    }
    return NULL;
}

static enum muster_status unknown_authorizer(const struct mu_plugins *self, const char *name,
                                             struct mu_error *error) {
    char shown[MU_TEXT_SHOWN];
    struct mu_buffer loaded;
    mu_buffer_init(&loaded, 0);
    for (size_t i = 0; i < self->count; i++) {
        if ((self->list[i]->kinds & MUSTER_AUTHORIZER) != 0 &&
            !mu_buffer_printf(&loaded, "%s%s", loaded.length > 0 ? ", " : "",
                              self->list[i]->name)) {
            abort(); /* out of memory, as in alloc.c */
        }
    }
    mu_error_set(error, MUSTER_BAD_REQUEST,
                 "authorization.chain: '%s' is no authorizer of plugins.load; there %s%s",
                 mu_text_show(shown, name, strlen(name)), loaded.length > 0 ? "are " : "is none",
                 loaded.length > 0 ? loaded.data : "");
    mu_buffer_deinit(&loaded);
    return error->status;
}

enum muster_status mu_plugins_chain(struct mu_plugins *self, struct mu_error *error) {
    const struct mu_config *config = self->options.config;
    for (size_t i = 0; i < self->count; i++) {
        struct muster_plugin *plugin = self->list[i];
        if ((plugin->kinds & MUSTER_AUTHENTICATOR) != 0) {
            mu_auth_add_authenticator(
                self->options.auth, &(struct mu_authenticator){plugin->name, plugin, authenticate});
        }
    }
    for (size_t i = 0; i < config->authorization.chain_count; i++) {
        const char *name = config->authorization.chain[i];
        struct muster_plugin *plugin = find_authorizer(self, name);
        if (plugin == NULL) {
            return unknown_authorizer(self, name, error);
        }
        for (size_t j = 0; j < i; j++) {
            if (strcmp(config->authorization.chain[j], name) == 0) {
                return mu_error_set(error, MUSTER_BAD_REQUEST,
                                    "authorization.chain: '%s' stands in it twice", name);
            }
        }
        mu_auth_add_authorizer(self->options.auth,
                               &(struct mu_authorizer){plugin->name, plugin, authorize});
    }
    return MUSTER_OK;
}
