/* host_requests.c - the slots of struct muster_host that lead to requests, decisions and channels.
 *
 * The happy path: submit - the request is noted under its id - its reply comes in a later turn -
 * the note is gone - the plugin's reply() is called. Cancelled, or the plugin stopped: the note is
 * gone and nothing is called.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "plugin/internal.h"
#include "registry/call.h"

/* ---- notes of what is due ---- */

static struct mu_asked *note(struct muster_plugin *plugin, void *context) {
    struct mu_asked *asked = mu_calloc(1, sizeof *asked);
    asked->plugin = plugin;
    asked->context = context;
    return asked;
}

/* Asked: enters the note. Not asked: frees it. */
static enum muster_status settle_note(struct mu_asked *asked, enum muster_status status,
                                      uint64_t *id) {
    struct muster_plugin *plugin = asked->plugin;
    if (status != MUSTER_OK) {
        mu_metric_add(plugin->refused, 1);
        free(asked);
        return status;
    }
    HASH_ADD(hh, plugin->asked, id, sizeof asked->id, asked);
    if (id != NULL) {
        *id = asked->id;
    }
    return MUSTER_OK;
}

/* Frees the note; the plugin's context. */
static void *answer(struct mu_asked *asked) {
    void *context = asked->context;
    HASH_DEL(asked->plugin->asked, asked);
    free(asked);
    return context;
}

void mu_host_drop_requests(struct muster_plugin *plugin) {
    struct mu_asked *asked = NULL;
    struct mu_asked *next = NULL;
    if (plugin->owner->requests != NULL) {
        mu_requests_cancel_owner(plugin->owner->requests, plugin);
    }
    HASH_ITER(hh, plugin->asked, asked, next) {
        HASH_DEL(plugin->asked, asked);
        free(asked);
    }
}

/* Says why it may not ask; OK when it may. */
static enum muster_status may_ask(struct muster_plugin *plugin, const char *slot) {
    if (!mu_plugin_here(plugin, slot)) {
        return MUSTER_INTERNAL;
    }
    if ((plugin->kinds & MUSTER_TRANSPORT) == 0) {
        mu_plugin_fault(plugin, MU_FAULT_MISUSE, "%s is for transports", slot);
        return MUSTER_BAD_REQUEST;
    }
    return plugin->life == MU_PLUGIN_STARTED && plugin->owner->requests != NULL
               ? MUSTER_OK
               : MUSTER_UNAVAILABLE;
}

/* ---- requests ---- */

static void on_reply(void *context, const struct muster_result *result) {
    struct mu_asked *asked = context;
    struct muster_plugin *plugin = asked->plugin;
    void *own = answer(asked);
    if (mu_plugin_alive(plugin)) {
        MU_CALL(plugin, "transport.reply", plugin->transport.reply(plugin->state, own, result));
    }
    mu_plugin_settle(plugin);
}

enum muster_status mu_host_submit(struct muster_plugin *plugin,
                                  const struct muster_request *request, uint64_t *id) {
    enum muster_status status = may_ask(plugin, "submit");
    if (status == MUSTER_OK && request->size < sizeof *request) {
        mu_plugin_fault(plugin, MU_FAULT_MISUSE, "submit: a request of %zu bytes; it has %zu",
                        request->size, sizeof *request);
        status = MUSTER_BAD_REQUEST;
    }
    if (status != MUSTER_OK) {
        return status;
    }
    struct mu_asked *asked = note(plugin, request->context);
    mu_metric_add(plugin->requests, 1);
    status = mu_requests_submit(plugin->owner->requests,
                                &(struct mu_submission){
                                    .owner = plugin,
                                    .door = plugin->name,
                                    .caller = request->caller,
                                    .credentials = request->credentials,
                                    .operation = request->operation,
                                    .arguments = request->arguments,
                                    .count = request->count,
                                    .timeout_ms = request->timeout_ms,
                                    .peer = request->peer,
                                    .reply = on_reply,
                                    .context = asked,
                                },
                                &asked->id);
    return settle_note(asked, status, id);
}

void mu_host_cancel(struct muster_plugin *plugin, uint64_t id) {
    struct mu_asked *asked;
    if (!mu_plugin_here(plugin, "cancel")) {
        return;
    }
    HASH_FIND(hh, plugin->asked, &id, sizeof id, asked);
    if (asked == NULL) {
        return; /* over, or never its own */
    }
    mu_requests_cancel(plugin->owner->requests, id);
    (void)answer(asked);
    mu_plugin_settle(plugin);
}

/* ---- authentication and authorization alone ---- */

static void on_authenticated(void *context, const struct mu_ruling *verdict) {
    struct mu_asked *asked = context;
    struct muster_plugin *plugin = asked->plugin;
    void *own = answer(asked);
    if (mu_plugin_alive(plugin)) {
        struct muster_caller *caller = NULL;
        if (verdict->status == MUSTER_OK) {
            caller =
                verdict->caller != NULL ? mu_caller_ref(verdict->caller) : mu_caller_anonymous();
            plugin->callers++;
        }
        MU_CALL(plugin, "transport.authenticated",
                plugin->transport.authenticated(plugin->state, own, verdict->status, caller,
                                                verdict->reason));
    }
    mu_plugin_settle(plugin);
}

enum muster_status mu_host_authenticate(struct muster_plugin *plugin,
                                        const struct muster_credentials *credentials, void *context,
                                        uint64_t *id) {
    enum muster_status status = may_ask(plugin, "authenticate");
    if (status == MUSTER_OK && plugin->transport.authenticated == NULL) {
        mu_plugin_fault(plugin, MU_FAULT_MISUSE,
                        "authenticate: it has no hook transport.authenticated");
        status = MUSTER_BAD_REQUEST;
    }
    if (status != MUSTER_OK) {
        return status;
    }
    struct mu_asked *asked = note(plugin, context);
    status = mu_requests_authenticate(plugin->owner->requests, plugin, plugin->name, credentials,
                                      on_authenticated, asked, &asked->id);
    return settle_note(asked, status, id);
}

static void on_authorized(void *context, const struct mu_ruling *verdict) {
    struct mu_asked *asked = context;
    struct muster_plugin *plugin = asked->plugin;
    void *own = answer(asked);
    if (mu_plugin_alive(plugin)) {
        MU_CALL(plugin, "transport.authorized",
                plugin->transport.authorized(plugin->state, own, verdict->status, verdict->reason));
    }
    mu_plugin_settle(plugin);
}

enum muster_status mu_host_authorize(struct muster_plugin *plugin, struct muster_caller *caller,
                                     enum muster_action action,
                                     const struct muster_resource *resource, void *context,
                                     uint64_t *id) {
    enum muster_status status = may_ask(plugin, "authorize");
    if (status == MUSTER_OK &&
        (plugin->transport.authorized == NULL || (unsigned)action >= MUSTER_ACTIONS)) {
        mu_plugin_fault(plugin, MU_FAULT_MISUSE,
                        "authorize: it has no hook transport.authorized, or there is no action %d",
                        (int)action);
        status = MUSTER_BAD_REQUEST;
    }
    if (status != MUSTER_OK) {
        return status;
    }
    struct mu_asked *asked = note(plugin, context);
    status = mu_requests_authorize(plugin->owner->requests, plugin, plugin->name, caller, action,
                                   resource, on_authorized, asked, &asked->id);
    return settle_note(asked, status, id);
}

const struct muster_principal *mu_host_caller_principal(struct muster_plugin *plugin,
                                                        const struct muster_caller *caller) {
    return mu_plugin_here(plugin, "caller_principal") ? mu_caller_principal(caller) : NULL;
}

void mu_host_caller_release(struct muster_plugin *plugin, struct muster_caller **caller) {
    if (!mu_plugin_here(plugin, "caller_release") || *caller == NULL) {
        return;
    }
    if (plugin->callers == 0) {
        mu_plugin_fault(plugin, MU_FAULT_MISUSE, "caller_release: it holds no caller");
        return;
    }
    plugin->callers--;
    mu_caller_unref(caller);
    mu_plugin_settle(plugin);
}

/* ---- decisions ---- */

void mu_host_decide(struct muster_plugin *plugin, struct muster_handle handle,
                    const struct muster_decision *decision) {
    if (!mu_plugin_here(plugin, "decide")) {
        return;
    }
    if ((unsigned)decision->verdict > MUSTER_DEFER) {
        mu_plugin_fault(plugin, MU_FAULT_MISUSE, "decide: a verdict that is none: %d",
                        (int)decision->verdict);
        return;
    }
    struct muster_decision known;
    mu_plugin_read_decision(plugin, decision, &known);
    switch (mu_auth_decide(plugin->owner->options.auth, plugin->name, handle, &known)) {
    case MU_DECIDED:
        break;
    case MU_DECIDED_TWICE:
        mu_plugin_fault(plugin, MU_FAULT_TWICE,
                        "a question was decided a second time; the first decision counts");
        break;
    case MU_DECIDED_LATE:
        mu_plugin_fault(plugin, MU_FAULT_LATE,
                        "a question was decided that is over; nothing happened");
        break;
    case MU_DECIDED_NOT_YOURS:
        mu_plugin_fault(plugin, MU_FAULT_NOT_YOURS,
                        "a question was decided that the plugin was not asked; nothing happened");
        break;
    }
}

/* ---- channels ---- */

static void on_published(void *context, enum muster_status status, const redisReply *reply,
                         const struct mu_error *error) {
    (void)error; /* the link says what is wrong with it */
    if (status != MUSTER_OK || reply == NULL || reply->type == REDIS_REPLY_ERROR) {
        mu_metric_add(context, 1);
    }
}

enum muster_status mu_host_publish(struct muster_plugin *plugin, const char *channel,
                                   const char *payload, size_t length) {
    char name[MU_KEY_SIZE];
    if (!mu_plugin_here(plugin, "publish")) {
        return MUSTER_INTERNAL;
    }
    if (!mu_channel_valid(channel)) {
        mu_plugin_fault(plugin, MU_FAULT_MISUSE, "publish: the channel is no name");
        return MUSTER_BAD_REQUEST;
    }
    struct mu_plugins *owner = plugin->owner;
    if (owner->link == NULL || !mu_plugin_alive(plugin)) {
        return MUSTER_UNAVAILABLE;
    }
    mu_key(name, owner->options.config->name_space, "%s", channel);
    return mu_link_command_now(owner->link, 3, (const char *const[]){"PUBLISH", name, payload},
                               (const size_t[]){7, strlen(name), length}, on_published,
                               plugin->publish_failed);
}

void mu_host_subscribe(struct muster_plugin *plugin, const char *channel) {
    if (!mu_plugin_here(plugin, "subscribe")) {
        return;
    }
    if (!mu_channel_valid(channel)) {
        mu_plugin_fault(plugin, MU_FAULT_MISUSE, "subscribe: the channel is no name");
    } else if (plugin->listener != NULL) {
        mu_events_subscribe(plugin->listener, channel);
    }
}

void mu_host_unsubscribe(struct muster_plugin *plugin, const char *channel) {
    if (mu_plugin_here(plugin, "unsubscribe") && plugin->listener != NULL) {
        mu_events_unsubscribe(plugin->listener, channel);
    }
}

uint64_t mu_host_subscribe_mark(struct muster_plugin *plugin) {
    return mu_plugin_here(plugin, "subscribe_mark") && plugin->listener != NULL
               ? mu_events_mark(plugin->owner->options.events)
               : 0;
}

void mu_host_subscribe_pattern(struct muster_plugin *plugin, const char *pattern) {
    if (!mu_plugin_here(plugin, "subscribe_pattern")) {
        return;
    }
    if (!mu_channel_pattern_valid(pattern)) {
        mu_plugin_fault(plugin, MU_FAULT_MISUSE, "subscribe_pattern: the pattern is none");
    } else if (plugin->listener != NULL) {
        mu_events_subscribe_pattern(plugin->listener, pattern);
    }
}

void mu_host_unsubscribe_pattern(struct muster_plugin *plugin, const char *pattern) {
    if (mu_plugin_here(plugin, "unsubscribe_pattern") && plugin->listener != NULL) {
        mu_events_unsubscribe_pattern(plugin->listener, pattern);
    }
}
