#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/ids.h"
#include "config/text.h"
#include "plugin/internal.h"

#define NAME_MAX_BYTES 64
#define ALL_KINDS (MUSTER_TRANSPORT | MUSTER_AUTHENTICATOR | MUSTER_AUTHORIZER | MUSTER_OBSERVER)

/* What a plugin of each minor knew of a struct. */
struct size_rule {
    const char *name;
    size_t offset; /* of the size, in the descriptor */
    size_t least[MUSTER_ABI_MINOR + 1];
    size_t most;
};

#define RULE_GREW(field, type, at_1_0, at_1_1)                                                     \
    {                                                                                              \
        "struct " #type, offsetof(struct muster_plugin_descriptor, field),                         \
            {at_1_0, at_1_1, sizeof(struct type)}, sizeof(struct type)                             \
    }
#define RULE_GREW_1_1(field, type, at_1_0) RULE_GREW(field, type, at_1_0, sizeof(struct type))
#define RULE(field, type) RULE_GREW_1_1(field, type, sizeof(struct type))

static const struct size_rule size_rules[] = {
    RULE(descriptor_size, muster_plugin_descriptor),
    RULE_GREW(host_size, muster_host, offsetof(struct muster_host, subscribe_pattern),
              offsetof(struct muster_host, restart_needed)),
    RULE_GREW_1_1(hooks_size, muster_plugin_hooks, offsetof(struct muster_plugin_hooks, reload)),
    RULE_GREW_1_1(transport_size, muster_transport_hooks,
                  offsetof(struct muster_transport_hooks, subscribed)),
    RULE(authenticator_size, muster_authenticator_hooks),
    RULE(authorizer_size, muster_authorizer_hooks),
    RULE(observer_size, muster_observer_hooks),
};

static enum muster_status wrong(const struct muster_plugin *plugin, struct mu_error *error,
                                const char *format, ...) MU_PRINTF(3, 4);
static enum muster_status wrong(const struct muster_plugin *plugin, struct mu_error *error,
                                const char *format, ...) {
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return mu_error_set(error, MUSTER_BAD_REQUEST, "%s: %s", plugin->file, text);
}

/* In this order: each check reads only what the ones before it vouched for. */
static enum muster_status check_head(const struct muster_plugin *plugin,
                                     const struct muster_plugin_descriptor *found, size_t size,
                                     struct mu_error *error) {
    size_t head = offsetof(struct muster_plugin_descriptor, kinds);
    if (size > 0 && size < head) {
        return wrong(plugin, error,
                     "size of symbol " MUSTER_PLUGIN_SYMBOL ": expected at least %zu, found %zu",
                     head, size);
    }
    if (found->magic != MUSTER_PLUGIN_MAGIC) {
        return wrong(plugin, error, "magic: expected 0x%016" PRIx64 ", found 0x%016" PRIx64,
                     MUSTER_PLUGIN_MAGIC, found->magic);
    }
    if (found->abi_major != MUSTER_ABI_MAJOR) {
        return wrong(plugin, error, "ABI major: expected %d, found %" PRIu32, MUSTER_ABI_MAJOR,
                     found->abi_major);
    }
    if (found->abi_minor > MUSTER_ABI_MINOR) {
        return wrong(plugin, error, "ABI minor: expected at most %d, found %" PRIu32,
                     MUSTER_ABI_MINOR, found->abi_minor);
    }
    for (size_t i = 0; i < sizeof size_rules / sizeof size_rules[0]; i++) {
        const struct size_rule *rule = &size_rules[i];
        uint32_t given;
        memcpy(&given, (const char *)found + rule->offset, sizeof given);
        if (given < rule->least[found->abi_minor]) {
            return wrong(plugin, error, "size of %s: expected at least %zu, found %" PRIu32,
                         rule->name, rule->least[found->abi_minor], given);
        }
        if (given > rule->most) {
            return wrong(plugin, error, "size of %s: expected at most %zu, found %" PRIu32,
                         rule->name, rule->most, given);
        }
    }
    if (size > 0 && size < found->descriptor_size) {
        return wrong(plugin, error,
                     "size of symbol " MUSTER_PLUGIN_SYMBOL ": expected at least %" PRIu32
                     ", found %zu",
                     found->descriptor_size, size);
    }
    return MUSTER_OK;
}

static enum muster_status no_hook(const struct muster_plugin *plugin, const char *name,
                                  struct mu_error *error) {
    return wrong(plugin, error, "hook %s: expected a function, found NULL", name);
}

static enum muster_status check_hooks(const struct muster_plugin *plugin, struct mu_error *error) {
    if (plugin->hooks.init == NULL) {
        return no_hook(plugin, "init", error);
    }
    if (plugin->hooks.stop == NULL) {
        return no_hook(plugin, "stop", error);
    }
    if (plugin->hooks.close == NULL) {
        return no_hook(plugin, "close", error);
    }
    if ((plugin->kinds & MUSTER_TRANSPORT) != 0 && plugin->transport.reply == NULL) {
        return no_hook(plugin, "transport.reply", error);
    }
    if ((plugin->kinds & MUSTER_AUTHENTICATOR) != 0 && plugin->authenticator.authenticate == NULL) {
        return no_hook(plugin, "authenticator.authenticate", error);
    }
    if ((plugin->kinds & MUSTER_AUTHORIZER) != 0 && plugin->authorizer.authorize == NULL) {
        return no_hook(plugin, "authorizer.authorize", error);
    }
    if ((plugin->kinds & MUSTER_OBSERVER) != 0 && plugin->observer.event == NULL) {
        return no_hook(plugin, "observer.event", error);
    }
    return MUSTER_OK;
}

/* Copies a table of hooks, of the plugin's size, into one of ours. */
static void take_hooks(void *out, const void *table, size_t size) {
    if (table != NULL) {
        memcpy(out, table, size);
    }
}

enum muster_status mu_descriptor_take(struct muster_plugin *plugin, const void *symbol, size_t size,
                                      struct mu_error *error) {
    const struct muster_plugin_descriptor *found = symbol;
    enum muster_status status = check_head(plugin, found, size, error);
    if (status != MUSTER_OK) {
        return status;
    }
    size_t length = found->name != NULL ? strnlen(found->name, NAME_MAX_BYTES + 1) : 0;
    if (length > NAME_MAX_BYTES || !mu_id_valid(found->name, length)) {
        char shown[MU_TEXT_SHOWN];
        return wrong(plugin, error, "name: expected an id of at most %d bytes, found '%s'",
                     NAME_MAX_BYTES, mu_text_show(shown, found->name, length));
    }
    if ((found->kinds & ALL_KINDS) == 0 || (found->kinds & ~(uint32_t)ALL_KINDS) != 0) {
        return wrong(plugin, error, "kinds: expected some of 0x%x, found 0x%" PRIx32,
                     (unsigned)ALL_KINDS, found->kinds);
    }
    plugin->name = mu_strdup(found->name);
    plugin->kinds = found->kinds;
    plugin->abi_minor = found->abi_minor;
    snprintf(plugin->version, sizeof plugin->version, "%s",
             found->version != NULL ? found->version : "");
    take_hooks(&plugin->hooks, found->hooks, found->hooks_size);
    take_hooks(&plugin->transport, found->transport, found->transport_size);
    take_hooks(&plugin->authenticator, found->authenticator, found->authenticator_size);
    take_hooks(&plugin->authorizer, found->authorizer, found->authorizer_size);
    take_hooks(&plugin->observer, found->observer, found->observer_size);
    plugin->schema = (struct mu_schema){plugin->name, plugin->file, found->keys, found->key_count};
    status = check_hooks(plugin, error);
    return status == MUSTER_OK ? mu_schema_sound(&plugin->schema, error) : status;
}
