/* socket_door.c - a transport for tests: JSON lines over a unix socket (`path`).
 *
 *   {"id":"1","op":"ENTER","args":["room","c1","n1","k1"],"token":"t","timeout":500}
 *      {"id":"1","ok":{...}}   or   {"id":"1","error":{"status":N,"message":"..."}}
 *   {"id":"2","subscribe":"events:instances"}, then  {"channel":"events:instances","payload":{...}}
 *   {"id":"3","publish":"x","payload":"text"}        {"id":"3","ok":"OK"}  or another status
 *
 * Answers come in any order. A line that is no JSON closes the connection, and its requests are
 * cancelled. Arguments that are no texts are passed on as JSON.
 */
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "muster/plugin.h"

enum { MOST_ARGUMENTS = 64, LINE_MAX_BYTES = 1 << 20 };

struct client;

struct pending {
    struct client *client; /* NULL: gone */
    char *id;
    uint64_t request;
    struct pending *next;
};

struct client {
    struct door *door;
    uv_pipe_t pipe;
    char *line;
    size_t length;
    struct pending *pending;
    struct client *next;
    bool closing;
};

struct door {
    struct muster_plugin *plugin;
    const struct muster_host *host;
    uv_pipe_t listener;
    struct client *clients;
    unsigned handles;
    bool stopping;
};

/* ---- writing ---- */

struct output {
    uv_write_t request;
    char *text;
};

static void written(uv_write_t *request, int status) {
    struct output *output = request->data;
    (void)status;
    free(output->text);
    free(output);
}

static void say(struct client *client, const char *format, ...) MUSTER_PRINTF(2, 3);
static void say(struct client *client, const char *format, ...) {
    va_list arguments;
    struct output *output = calloc(1, sizeof *output);
    if (output == NULL || client->closing) {
        free(output);
        return;
    }
    va_start(arguments, format);
    int length = vasprintf(&output->text, format, arguments);
    va_end(arguments);
    output->request.data = output;
    uv_buf_t buffer = uv_buf_init(output->text, length > 0 ? (unsigned)length : 0);
    if (length <= 0 ||
        uv_write(&output->request, (uv_stream_t *)&client->pipe, &buffer, 1, written) != 0) {
        written(&output->request, 0);
    }
}

static void say_error(struct client *client, const char *id, enum muster_status status,
                      const char *message) {
    json_t *error = json_pack("{s:s,s:{s:i,s:s}}", "id", id, "error", "status", (int)status,
                              "message", message != NULL ? message : "");
    char *text = json_dumps(error, JSON_COMPACT);
    if (text != NULL) {
        say(client, "%s\n", text);
    }
    free(text);
    json_decref(error);
}

/* ---- requests ---- */

static void forget(struct pending *pending) {
    struct client *client = pending->client;
    if (client != NULL) {
        struct pending **at = &client->pending;
        while (*at != pending) {
            at = &(*at)->next;
        }
        *at = pending->next;
    }
    free(pending->id);
    free(pending);
}

static struct muster_text text_of(json_t *value, char **made) {
    *made = json_is_string(value) ? strdup(json_string_value(value))
                                  : json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    return (struct muster_text){*made, *made != NULL ? strlen(*made) : 0};
}

static void submit(struct client *client, const char *id, json_t *line) {
    struct door *door = client->door;
    struct muster_text arguments[MOST_ARGUMENTS];
    char *made[MOST_ARGUMENTS];
    json_t *list = json_object_get(line, "args");
    const char *operation = json_string_value(json_object_get(line, "op"));
    const char *token = json_string_value(json_object_get(line, "token"));
    size_t count = 0;
    for (; count < json_array_size(list) && count < MOST_ARGUMENTS; count++) {
        arguments[count] = text_of(json_array_get(list, count), &made[count]);
    }
    struct muster_credentials credentials = {
        .purpose = MUSTER_PURPOSE_CALLER,
        .token = {token, token != NULL ? strlen(token) : 0},
        .transport = "socket_door",
    };
    struct pending *pending = calloc(1, sizeof *pending);
    pending->client = client;
    pending->id = strdup(id);
    enum muster_status status = door->host->submit(
        door->plugin,
        &(struct muster_request){
            .size = sizeof(struct muster_request),
            .credentials = token != NULL ? &credentials : NULL,
            .operation = {operation, strlen(operation)},
            .arguments = arguments,
            .count = count,
            .timeout_ms = (uint64_t)json_integer_value(json_object_get(line, "timeout")),
            .context = pending,
        },
        &pending->request);
    if (status == MUSTER_OK) {
        pending->next = client->pending;
        client->pending = pending;
    } else {
        say_error(client, id, status, "not submitted");
        pending->client = NULL;
        forget(pending);
    }
    for (size_t i = 0; i < count; i++) {
        free(made[i]);
    }
}

static void reply(void *state, void *context, const struct muster_result *result) {
    struct pending *pending = context;
    (void)state;
    if (result->status == MUSTER_OK) {
        say(pending->client, "{\"id\":\"%s\",\"ok\":%.*s}\n", pending->id, (int)result->length,
            result->json);
    } else {
        say_error(pending->client, pending->id, result->status, result->message);
    }
    forget(pending);
}

/* ---- lines ---- */

static void client_closed(uv_handle_t *handle) {
    struct client *client = handle->data;
    struct door *door = client->door;
    struct client **at = &door->clients;
    while (*at != client) {
        at = &(*at)->next;
    }
    *at = client->next;
    free(client->line);
    free(client);
    door->host->release(door->plugin, "client");
}

static void drop(struct client *client) {
    struct door *door = client->door;
    if (client->closing) {
        return;
    }
    client->closing = true;
    while (client->pending != NULL) { /* forget() takes it out of the list */
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
        door->host->cancel(door->plugin, client->pending->request);
        forget(client->pending);
    }
    uv_close((uv_handle_t *)&client->pipe, client_closed);
}

static void take_line(struct client *client, const char *text) {
    const struct muster_host *host = client->door->host;
    struct muster_plugin *plugin = client->door->plugin;
    json_t *line = json_loads(text, 0, NULL);
    const char *id = json_string_value(json_object_get(line, "id"));
    const char *channel = json_string_value(json_object_get(line, "subscribe"));
    const char *to = json_string_value(json_object_get(line, "publish"));
    const char *payload = json_string_value(json_object_get(line, "payload"));
    if (id == NULL) {
        drop(client);
    } else if (json_is_string(json_object_get(line, "op"))) {
        submit(client, id, line);
    } else if (channel != NULL) {
        host->subscribe(plugin, channel);
        say(client, "{\"id\":\"%s\",\"ok\":\"subscribed\"}\n", id);
    } else if (to != NULL && payload != NULL) {
        enum muster_status status = host->publish(plugin, to, payload, strlen(payload));
        say(client, "{\"id\":\"%s\",\"ok\":%d}\n", id, (int)status);
    } else {
        drop(client);
    }
    json_decref(line);
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buffer) {
    struct client *client = stream->data;
    char *end;
    if (got < 0 || client->length + (size_t)got > LINE_MAX_BYTES) {
        drop(client);
    } else {
        char *grown = realloc(client->line, client->length + (size_t)got + 1);
        if (grown == NULL) {
            abort();
        }
        client->line = grown;
        memcpy(grown + client->length, buffer->base, (size_t)got);
        client->length += (size_t)got;
        client->line[client->length] = '\0';
    }
    free(buffer->base);
    while (!client->closing && client->line != NULL && (end = strchr(client->line, '\n')) != NULL) {
        *end = '\0';
        take_line(client, client->line);
        client->length -= (size_t)(end + 1 - client->line);
        memmove(client->line, end + 1, client->length + 1);
    }
}

/* NOLINTBEGIN(clang-analyzer-unix.Malloc): on_read() frees it */
static void allocate(uv_handle_t *handle, size_t size, uv_buf_t *buffer) {
    (void)handle;
    *buffer = uv_buf_init(malloc(size), (unsigned)size);
}
/* NOLINTEND(clang-analyzer-unix.Malloc) */

static void on_connection(uv_stream_t *listener, int status) {
    struct door *door = listener->data;
    struct client *client = calloc(1, sizeof *client);
    if (status < 0 || client == NULL) {
        free(client);
        return;
    }
    client->door = door;
    client->next = door->clients;
    door->clients = client;
    uv_pipe_init(listener->loop, &client->pipe, 0);
    client->pipe.data = client;
    door->host->hold(door->plugin, "client");
    if (uv_accept(listener, (uv_stream_t *)&client->pipe) != 0 ||
        uv_read_start((uv_stream_t *)&client->pipe, allocate, on_read) != 0) {
        drop(client);
    }
}

/* ---- events ---- */

static void message(void *state, const struct muster_event *event) {
    const struct door *door = state;
    for (struct client *client = door->clients; client != NULL; client = client->next) {
        say(client, "{\"channel\":\"%s\",\"payload\":%.*s}\n", event->channel, (int)event->length,
            event->payload);
    }
}

static void resync(void *state) {
    const struct door *door = state;
    door->host->log(door->plugin, MUSTER_LOG_INFO, "resync", "messages may have been lost");
}

static void coordinating(void *state, bool active) {
    const struct door *door = state;
    door->host->log(door->plugin, MUSTER_LOG_INFO, active ? "active" : "standby", "told");
}

/* ---- life ---- */

static enum muster_status init(struct muster_plugin *plugin, const struct muster_host *host,
                               void **state, struct muster_complaint *complaint) {
    struct door *door = calloc(1, sizeof *door);
    (void)complaint;
    if (door == NULL) {
        return MUSTER_INTERNAL;
    }
    door->plugin = plugin;
    door->host = host;
    *state = door;
    return MUSTER_OK;
}

static void listener_closed(uv_handle_t *handle) {
    struct door *door = handle->data;
    door->host->release(door->plugin, "listener");
}

static enum muster_status start(void *state, struct muster_complaint *complaint) {
    struct door *door = state;
    const struct muster_host *host = door->host;
    const struct muster_config *node = host->config_get(door->plugin, NULL, "path");
    const char *path = host->config_text(door->plugin, node);
    uv_pipe_init(host->loop(door->plugin), &door->listener, 0);
    door->listener.data = door;
    host->hold(door->plugin, "listener");
    if (uv_pipe_bind(&door->listener, path) != 0 ||
        uv_listen((uv_stream_t *)&door->listener, 64, on_connection) != 0) {
        uv_close((uv_handle_t *)&door->listener, listener_closed);
        snprintf(complaint->text, sizeof complaint->text, "%s: cannot listen on %s",
                 host->config_place(door->plugin, node), path);
        return MUSTER_UNAVAILABLE;
    }
    host->log(door->plugin, MUSTER_LOG_INFO, "listening", "%s", path);
    return MUSTER_OK;
}

static void stop(void *state) {
    struct door *door = state;
    uv_close((uv_handle_t *)&door->listener, listener_closed);
    for (struct client *client = door->clients; client != NULL; client = client->next) {
        drop(client);
    }
    door->host->stopped(door->plugin); /* the host waits for what is held */
}

static void close_(void *state) {
    free(state);
}

static const struct muster_config_key keys[] = {
    {"path", MUSTER_CONFIG_TEXT, true, NULL, 1, 100, "The unix socket."},
};

static const struct muster_plugin_hooks hooks = {
    .init = init, .start = start, .stop = stop, .close = close_};
static const struct muster_transport_hooks transport = {
    .reply = reply, .message = message, .resync = resync, .coordinating = coordinating};

MUSTER_PLUGIN(MUSTER_TRANSPORT, "socket_door", "1", keys, sizeof keys / sizeof keys[0], &hooks,
              &transport, NULL, NULL, NULL);
