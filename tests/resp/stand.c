#include "resp/stand.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "registry/operations.h"

struct muster_caller {
    struct muster_principal principal;
    char id[64];
};

struct muster_metric {
    int64_t value;
};

/* The plugin's handle is the stand. */
static struct stand *stand_of(struct muster_plugin *plugin) {
    return (struct stand *)(void *)plugin;
}

/* ---- the host ---- */

static struct stand_ask *note(struct stand *stand, enum stand_kind kind, void *context,
                              struct muster_caller *caller, uint64_t *id) {
    assert_true(stand->ask_count < sizeof stand->asks / sizeof stand->asks[0]);
    struct stand_ask *ask = &stand->asks[stand->ask_count++];
    *ask = (struct stand_ask){
        .id = stand->ask_count, .kind = kind, .context = context, .caller = caller};
    *id = ask->id;
    return ask;
}

static void add(char *text, size_t size, const char *more, size_t length) {
    size_t used = strlen(text);
    assert_true(used + length + 2 < size);
    snprintf(text + used, size - used, "%s%.*s", used > 0 ? " " : "", (int)length, more);
}

static enum muster_status submit(struct muster_plugin *plugin, const struct muster_request *request,
                                 uint64_t *id) {
    struct stand *stand = stand_of(plugin);
    if (stand->refuse_all != MUSTER_OK) {
        return stand->refuse_all;
    }
    struct stand_ask *ask = note(stand, STAND_OPERATION, request->context, request->caller, id);
    add(ask->text, sizeof ask->text, request->operation.data, request->operation.length);
    for (size_t i = 0; i < request->count; i++) {
        assert_int_equal(request->arguments[i].data[request->arguments[i].length], 0);
        add(ask->text, sizeof ask->text, request->arguments[i].data, request->arguments[i].length);
    }
    return MUSTER_OK;
}

static enum muster_status authenticate(struct muster_plugin *plugin,
                                       const struct muster_credentials *credentials, void *context,
                                       uint64_t *id) {
    struct stand *stand = stand_of(plugin);
    if (stand->refuse_all != MUSTER_OK) {
        return stand->refuse_all;
    }
    struct stand_ask *ask = note(stand, STAND_WHO, context, NULL, id);
    snprintf(ask->text, sizeof ask->text, "%s %s%s%s",
             credentials->user.data != NULL ? credentials->user.data : "-",
             credentials->token.data != NULL ? credentials->token.data : "-",
             credentials->certificate != NULL ? " " : "",
             credentials->certificate != NULL ? credentials->certificate : "");
    return MUSTER_OK;
}

static enum muster_status authorize(struct muster_plugin *plugin, struct muster_caller *caller,
                                    enum muster_action action,
                                    const struct muster_resource *resource, void *context,
                                    uint64_t *id) {
    struct stand *stand = stand_of(plugin);
    if (stand->refuse_all != MUSTER_OK) {
        return stand->refuse_all;
    }
    struct stand_ask *ask = note(stand, STAND_WHETHER, context, caller, id);
    snprintf(ask->text, sizeof ask->text, "%s%s%s",
             action == MUSTER_ACTION_ADMIN ? "admin" : "events.subscribe",
             resource->session != NULL ? " " : "",
             resource->session != NULL ? resource->session : "");
    return MUSTER_OK;
}

static void cancel(struct muster_plugin *plugin, uint64_t id) {
    struct stand *stand = stand_of(plugin);
    assert_in_range(id, 1, stand->ask_count);
    struct stand_ask *ask = &stand->asks[id - 1];
    assert_int_equal(ask->id, id); /* nobody cancels what is over */
    ask->id = 0;
    ask->cancelled = true;
}

static const struct muster_principal *caller_principal(struct muster_plugin *plugin,
                                                       const struct muster_caller *caller) {
    (void)plugin;
    return &caller->principal;
}

static void caller_release(struct muster_plugin *plugin, struct muster_caller **caller) {
    stand_of(plugin)->callers--;
    free(*caller);
    *caller = NULL;
}

static enum muster_status publish(struct muster_plugin *plugin, const char *channel,
                                  const char *payload, size_t length) {
    struct stand *stand = stand_of(plugin);
    size_t used = strlen(stand->published);
    if (stand->publish_says == MUSTER_OK) {
        snprintf(stand->published + used, sizeof stand->published - used, "%s %.*s\n", channel,
                 (int)length, payload);
    }
    return stand->publish_says;
}

static void note_channel(struct muster_plugin *plugin, const char *sign, const char *name) {
    struct stand *stand = stand_of(plugin);
    size_t used = strlen(stand->channels);
    assert_true(used + strlen(name) + 4 < sizeof stand->channels);
    snprintf(stand->channels + used, sizeof stand->channels - used, "%s%s ", sign, name);
}

static void subscribe(struct muster_plugin *plugin, const char *channel) {
    note_channel(plugin, "+", channel);
}

static void unsubscribe(struct muster_plugin *plugin, const char *channel) {
    note_channel(plugin, "-", channel);
}

static void subscribe_pattern(struct muster_plugin *plugin, const char *pattern) {
    note_channel(plugin, "+*", pattern);
}

static void unsubscribe_pattern(struct muster_plugin *plugin, const char *pattern) {
    note_channel(plugin, "-*", pattern);
}

static uint64_t subscribe_mark(struct muster_plugin *plugin) {
    return stand_of(plugin)->mark;
}

static struct muster_metric *metric(struct muster_plugin *plugin, enum muster_metric_kind kind,
                                    const char *name, const char *help) {
    static struct muster_metric all;
    (void)plugin, (void)kind, (void)name, (void)help;
    return &all;
}

static void metric_add(struct muster_metric *one, int64_t amount) {
    (void)one, (void)amount;
}

static void metrics_text(struct muster_plugin *plugin,
                         void (*write)(void *context, const char *text, size_t length),
                         void *context) {
    (void)plugin;
    write(context, "a 1\n", 4);
    write(context, "b 2\n", 4);
}

static uint64_t now_ms(struct muster_plugin *plugin) {
    return stand_of(plugin)->now;
}

static const char *name_space(struct muster_plugin *plugin) {
    (void)plugin;
    return "t";
}

static const char *daemon_id(struct muster_plugin *plugin) {
    (void)plugin;
    return "d1";
}

static const struct muster_operation_info *operations(struct muster_plugin *plugin, size_t *count) {
    (void)plugin;
    *count = MUSTER_OPERATIONS;
    return mu_operations;
}

/* ---- the stand ---- */

struct stand *stand_create(void) {
    struct stand *stand = calloc(1, sizeof *stand);
    assert_non_null(stand);
    stand->now = 1000000;
    stand->host = (struct muster_host){
        .size = sizeof stand->host,
        .submit = submit,
        .cancel = cancel,
        .authenticate = authenticate,
        .authorize = authorize,
        .caller_principal = caller_principal,
        .caller_release = caller_release,
        .publish = publish,
        .subscribe = subscribe,
        .unsubscribe = unsubscribe,
        .subscribe_pattern = subscribe_pattern,
        .unsubscribe_pattern = unsubscribe_pattern,
        .subscribe_mark = subscribe_mark,
        .metric = metric,
        .metric_add = metric_add,
        .metrics_text = metrics_text,
        .now_ms = now_ms,
        .name_space = name_space,
        .daemon_id = daemon_id,
        .operations = operations,
    };
    static const struct resp_settings settings = {
        .parser = {.arguments = 64, .argument = 4096, .request = 65536, .inline_line = 1024},
        .max_pending = 100,
        .max_pending_total = 1000,
        .max_output = 1 << 20,
        .max_output_total = 16 << 20,
        .max_sockets = 10,
        .max_subscriptions = 8,
    };
    resp_door_init(&stand->door, (struct muster_plugin *)(void *)stand, &stand->host, &settings);
    return stand;
}

void stand_destroy(struct stand **pointer) {
    struct stand *stand = *pointer;
    *pointer = NULL;
    assert_null(stand->door.sessions);
    assert_int_equal(stand_open(stand), 0);
    assert_int_equal(stand->callers, 0);
    assert_null(stand->door.topics);
    assert_null(stand->door.subscriptions);
    assert_null(stand->door.lifelines);
    assert_int_equal(stand->door.counts.values[RESP_COUNT_PENDING], 0);
    assert_int_equal(stand->door.counts.values[RESP_COUNT_OUTPUT], 0);
    assert_int_equal(stand->door.counts.values[RESP_COUNT_SUBSCRIPTIONS], 0);
    assert_int_equal(stand->door.counts.values[RESP_COUNT_LIFELINES], 0);
    resp_door_deinit(&stand->door);
    free(stand);
}

static void wake(void *context) {
    ((struct stand *)context)->wakes++;
}

struct resp_session *stand_session(struct stand *stand) {
    return resp_session_create(&stand->door, "10.0.0.1", "10.0.0.1:5000", wake, stand);
}

void stand_feed(struct resp_session *session, const char *data, size_t length) {
    char *copy = malloc(length > 0 ? length : 1);
    assert_non_null(copy);
    memcpy(copy, data, length);
    resp_session_feed(session, copy, length);
    free(copy);
}

void stand_say(struct resp_session *session, const char *line) {
    char text[1024];
    int length = snprintf(text, sizeof text, "%s\r\n", line);
    stand_feed(session, text, (size_t)length);
}

static void expect(struct resp_session *session, const char *text, bool whole) {
    const struct resp_out *out = &session->out;
    size_t length = out->length - out->sent;
    size_t wanted = strlen(text);
    if ((whole ? length != wanted : length < wanted) ||
        (wanted > 0 && memcmp(out->data + out->sent, text, wanted) != 0)) {
        fail_msg("to be sent is '%.*s', wanted '%s'", (int)length,
                 out->data != NULL ? out->data + out->sent : "", text);
    }
    resp_session_sent(session, length, 0);
}

void stand_expect(struct resp_session *session, const char *text) {
    expect(session, text, true);
}

void stand_expect_begin(struct resp_session *session, const char *text) {
    expect(session, text, false);
}

struct stand_ask *stand_find(struct stand *stand, const char *text) {
    for (size_t i = 0; i < stand->ask_count; i++) {
        if (stand->asks[i].id != 0 && strcmp(stand->asks[i].text, text) == 0) {
            return &stand->asks[i];
        }
    }
    fail_msg("nobody asks '%s'", text);
    return NULL;
}

size_t stand_open(const struct stand *stand) {
    size_t open = 0;
    for (size_t i = 0; i < stand->ask_count; i++) {
        open += stand->asks[i].id != 0;
    }
    return open;
}

static void *take(struct stand *stand, const char *text, enum stand_kind kind) {
    struct stand_ask *ask = stand_find(stand, text);
    assert_int_equal(ask->kind, kind);
    ask->id = 0;
    return ask->context;
}

void stand_reply(struct stand *stand, const char *text, const char *json) {
    const struct muster_result result = {.json = json, .length = strlen(json)};
    resp_door_replied(&stand->door, take(stand, text, STAND_OPERATION), &result);
}

void stand_refuse(struct stand *stand, const char *text, enum muster_status status,
                  const char *message) {
    const struct muster_result result = {.status = status, .message = message};
    enum stand_kind kind = stand_find(stand, text)->kind;
    void *context = take(stand, text, kind);
    if (kind == STAND_OPERATION) {
        resp_door_replied(&stand->door, context, &result);
    } else if (kind == STAND_WHO) {
        resp_door_authenticated(&stand->door, context, status, NULL, message);
    } else {
        resp_door_authorized(&stand->door, context, status, message);
    }
}

void stand_know(struct stand *stand, const char *text, const char *id) {
    struct muster_caller *caller = calloc(1, sizeof *caller);
    assert_non_null(caller);
    snprintf(caller->id, sizeof caller->id, "%s", id != NULL ? id : "anonymous");
    caller->principal.id = caller->id;
    caller->principal.kind = id != NULL ? MUSTER_PRINCIPAL_INSTANCE : MUSTER_PRINCIPAL_ANONYMOUS;
    stand->callers++;
    resp_door_authenticated(&stand->door, take(stand, text, STAND_WHO), MUSTER_OK, caller, NULL);
}

void stand_allow(struct stand *stand, const char *text) {
    resp_door_authorized(&stand->door, take(stand, text, STAND_WHETHER), MUSTER_OK, NULL);
}

void stand_message(struct stand *stand, const char *pattern, const char *channel,
                   const char *payload) {
    const struct muster_event event = {
        .channel = channel, .payload = payload, .length = strlen(payload), .pattern = pattern};
    resp_door_message(&stand->door, &event);
}

int stand_set_up(void **state) {
    struct stand_fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->stand = stand_create();
    f->session = stand_session(f->stand);
    *state = f;
    return 0;
}

int stand_tear_down(void **state) {
    struct stand_fixture *f = *state;
    if (f->session != NULL) {
        resp_session_destroy(&f->session);
    }
    stand_destroy(&f->stand);
    free(f);
    return 0;
}
