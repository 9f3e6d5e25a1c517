#include "fuzz/resp_host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/resp_reader.h"

struct muster_caller {
    struct muster_principal principal;
};

static const struct muster_operation_info operations[] = {
#define ROW(name, arguments, least, action, writes, usage)                                         \
    {#name, arguments, least, sizeof(arguments) - 1, MUSTER_ACTION_##action, writes, usage},
    MUSTER_OPERATION_TABLE(ROW)
#undef ROW
};

static void host_log(struct muster_plugin *plugin, enum muster_log_level level, const char *event,
                     const char *format, ...) {
    (void)plugin;
    (void)level;
    (void)event;
    (void)format;
}

static struct muster_metric *host_metric(struct muster_plugin *plugin, enum muster_metric_kind kind,
                                         const char *name, const char *help) {
    (void)kind;
    (void)name;
    (void)help;
    return (struct muster_metric *)(void *)plugin; /* never looked into */
}

static void host_metric_add(struct muster_metric *metric, int64_t amount) {
    (void)metric;
    (void)amount;
}

static enum muster_status ask(struct muster_plugin *plugin, enum fuzz_question_kind kind,
                              void *context, const char *peer, uint64_t *id) {
    if (plugin->submits != MUSTER_OK)
        return plugin->submits;
    if (plugin->count == FUZZ_QUESTIONS)
        return MUSTER_OVERLOADED;
    struct fuzz_question *question = &plugin->questions[plugin->count++];
    *question = (struct fuzz_question){.id = ++plugin->last_id, .kind = kind, .context = context};
    snprintf(question->peer, sizeof question->peer, "%s", peer);
    *id = question->id;
    return MUSTER_OK;
}

static enum muster_status host_submit(struct muster_plugin *plugin,
                                      const struct muster_request *request, uint64_t *id) {
    fuzz_demand(request->size == sizeof *request && request->credentials == NULL, "a request");
    for (size_t i = 0; i < request->count; i++)
        fuzz_demand(request->arguments[i].data[request->arguments[i].length] == '\0', "its NUL");
    return ask(plugin, FUZZ_SUBMIT, request->context, request->peer, id);
}

static void host_cancel(struct muster_plugin *plugin, uint64_t id) {
    for (size_t i = 0; i < plugin->count; i++) {
        if (plugin->questions[i].id == id) {
            (void)fuzz_host_take(plugin, i);
            return;
        }
    }
    fuzz_demand(false, "what is cancelled was asked and is not answered");
}

static enum muster_status host_authenticate(struct muster_plugin *plugin,
                                            const struct muster_credentials *credentials,
                                            void *context, uint64_t *id) {
    fuzz_demand(credentials->purpose == MUSTER_PURPOSE_CALLER, "a caller");
    return ask(plugin, FUZZ_AUTHENTICATE, context, "", id);
}

static enum muster_status host_authorize(struct muster_plugin *plugin, struct muster_caller *caller,
                                         enum muster_action action,
                                         const struct muster_resource *resource, void *context,
                                         uint64_t *id) {
    (void)caller;
    fuzz_demand(action == MUSTER_ACTION_EVENTS_SUBSCRIBE || action == MUSTER_ACTION_ADMIN,
                "an action of this door");
    fuzz_demand(resource != NULL, "a resource");
    return ask(plugin, FUZZ_AUTHORIZE, context, "", id);
}

static const struct muster_principal *host_principal(struct muster_plugin *plugin,
                                                     const struct muster_caller *caller) {
    (void)plugin;
    return &caller->principal;
}

static void host_release(struct muster_plugin *plugin, struct muster_caller **caller) {
    fuzz_demand(plugin->callers > 0, "a caller is released once");
    plugin->callers--;
    free(*caller);
    *caller = NULL;
}

static enum muster_status host_publish(struct muster_plugin *plugin, const char *channel,
                                       const char *payload, size_t length) {
    fuzz_demand(strcmp(channel, "signal") == 0 && strlen(payload) == length, "a signal");
    plugin->signals++;
    return plugin->submits;
}

static void enter(struct muster_plugin *plugin, const char *name, bool pattern) {
    fuzz_demand(plugin->channel_count < FUZZ_CHANNELS, "few channels");
    struct fuzz_channel *channel = &plugin->channels[plugin->channel_count++];
    snprintf(channel->name, sizeof channel->name, "%s", name);
    channel->pattern = pattern;
}

static void leave(struct muster_plugin *plugin, const char *name, bool pattern) {
    for (size_t i = 0; i < plugin->channel_count; i++) {
        struct fuzz_channel *channel = &plugin->channels[i];
        if (channel->pattern == pattern && strcmp(channel->name, name) == 0) {
            *channel = plugin->channels[--plugin->channel_count];
            return;
        }
    }
    fuzz_demand(false, "what is unsubscribed was subscribed");
}

static void host_subscribe(struct muster_plugin *plugin, const char *channel) {
    plugin->wanted++;
    enter(plugin, channel, false);
}

static void host_unsubscribe(struct muster_plugin *plugin, const char *channel) {
    leave(plugin, channel, false);
}

static void host_subscribe_pattern(struct muster_plugin *plugin, const char *pattern) {
    plugin->wanted++;
    enter(plugin, pattern, true);
}

static void host_unsubscribe_pattern(struct muster_plugin *plugin, const char *pattern) {
    leave(plugin, pattern, true);
}

static uint64_t host_subscribe_mark(struct muster_plugin *plugin) {
    if (!plugin->slow)
        plugin->confirmed = plugin->wanted;
    return plugin->confirmed < plugin->wanted ? plugin->wanted : 0;
}

static uint64_t host_now(struct muster_plugin *plugin) {
    return plugin->now;
}

static const char *host_text(struct muster_plugin *plugin) {
    (void)plugin;
    return "fuzz";
}

static const struct muster_operation_info *host_operations(struct muster_plugin *plugin,
                                                           size_t *count) {
    (void)plugin;
    *count = sizeof operations / sizeof operations[0];
    return operations;
}

static void host_metrics(struct muster_plugin *plugin,
                         void (*write)(void *context, const char *text, size_t length),
                         void *context) {
    (void)plugin;
    write(context, "muster_up 1\n", 12);
}

const struct muster_host fuzz_host = {
    .size = sizeof(struct muster_host),
    .abi_major = MUSTER_ABI_MAJOR,
    .abi_minor = MUSTER_ABI_MINOR,
    .log = host_log,
    .metric = host_metric,
    .metric_add = host_metric_add,
    .submit = host_submit,
    .cancel = host_cancel,
    .authenticate = host_authenticate,
    .authorize = host_authorize,
    .caller_principal = host_principal,
    .caller_release = host_release,
    .publish = host_publish,
    .subscribe = host_subscribe,
    .unsubscribe = host_unsubscribe,
    .now_ms = host_now,
    .name_space = host_text,
    .daemon_id = host_text,
    .operations = host_operations,
    .subscribe_pattern = host_subscribe_pattern,
    .unsubscribe_pattern = host_unsubscribe_pattern,
    .metrics_text = host_metrics,
    .subscribe_mark = host_subscribe_mark,
};

struct fuzz_question fuzz_host_take(struct muster_plugin *plugin, size_t index) {
    struct fuzz_question question = plugin->questions[index];
    plugin->count--;
    memmove(&plugin->questions[index], &plugin->questions[index + 1],
            (plugin->count - index) * sizeof question);
    return question;
}

struct muster_caller *fuzz_host_caller(struct muster_plugin *plugin, bool anonymous) {
    struct muster_caller *caller = calloc(1, sizeof *caller);
    fuzz_demand(caller != NULL, "memory");
    caller->principal.id = anonymous ? "anonymous" : "somebody";
    caller->principal.kind = anonymous ? MUSTER_PRINCIPAL_ANONYMOUS : MUSTER_PRINCIPAL_INSTANCE;
    plugin->callers++;
    return caller;
}
