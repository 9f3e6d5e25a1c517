/* plugin.c - transport_resp: a door that every Redis client library can use.
 *
 * The happy path: start binds, listens and opens the handles - every socket has a life of its own
 * (socket.c) - stop closes the listeners, has what is under way answered for a second, closes the
 * sockets, then its own handles - stopped.
 *
 * Ways to fail: an address or a certificate is no good (start complains, nothing is left open);
 * what is under way is not answered in time (it is told TIMEOUT); a reader is slow (closed without
 * its replies).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server.h"
#include "session.h"
#include "tls.h"

#define PATIENCE_MS 1000 /* stopping: how long what is under way is waited for */

/* ---- handles ---- */

static void settle(struct resp_server *server) {
    struct resp_door *door = &server->door;
    if (!door->stopping || server->socket_count > 0 || server->listeners != NULL) {
        return;
    }
    if (server->patience != NULL) {
        door->host->timer_stop(door->plugin, &server->patience);
    }
    resp_turns_close(server);
    if (server->handles == 0) {
        door->host->stopped(door->plugin);
    }
}

void resp_server_hold(struct resp_server *server, const char *what) {
    server->handles++;
    server->door.host->hold(server->door.plugin, what);
}

void resp_server_release(struct resp_server *server, const char *what) {
    server->handles--;
    server->door.host->release(server->door.plugin, what);
    settle(server);
}

/* ---- life ---- */

static enum muster_status on_init(struct muster_plugin *plugin, const struct muster_host *host,
                                  void **state, struct muster_complaint *complaint) {
    struct resp_settings settings;
    enum muster_status status = resp_settings_read(&settings, plugin, host, NULL, complaint);
    if (status != MUSTER_OK) {
        return status;
    }
    struct resp_server *server = resp_need(calloc(1, sizeof *server));
    resp_door_init(&server->door, plugin, host, &settings);
    server->owing.last = &server->owing.first;
    server->quiet.last = &server->quiet.first;
    *state = server;
    return MUSTER_OK;
}

/* The certificates of the settings. `*context` NULL: there are none. */
static enum muster_status read_certificates(const struct resp_server *server,
                                            const struct resp_settings *settings,
                                            struct resp_tls_context **context,
                                            struct muster_complaint *complaint) {
    const struct resp_door *door = &server->door;
    *context = NULL;
    if (settings->certificate == NULL || settings->key == NULL) {
        return MUSTER_OK;
    }
    complaint->text[0] = '\0';
    *context = resp_tls_context_create(
        &(struct resp_tls_options){
            .certificate = settings->certificate,
            .key = settings->key,
            .client_ca = settings->client_ca,
            .require_client = settings->require_client_certificate,
        },
        complaint->text, sizeof complaint->text);
    if (*context == NULL) {
        return MUSTER_BAD_REQUEST;
    }
    if (complaint->text[0] != '\0') {
        door->host->log(door->plugin, MUSTER_LOG_WARN, "certificate", "%s", complaint->text);
    }
    return MUSTER_OK;
}

static enum muster_status on_start(void *state, struct muster_complaint *complaint) {
    struct resp_server *server = state;
    struct resp_door *door = &server->door;
    enum muster_status status = read_certificates(server, &door->settings, &server->tls, complaint);
    if (status == MUSTER_OK) {
        status = resp_listen_bind(server, complaint);
    }
    if (status != MUSTER_OK) {
        return status;
    }
    server->loop = door->host->loop(door->plugin);
    server->buffer = resp_need(malloc(RESP_READ_BYTES));
    server->plain = resp_need(malloc(RESP_READ_BYTES));
    resp_turns_open(server);
    status = resp_listen_open(server, complaint);
    if (status == MUSTER_OK) {
        resp_clocks_open(server);
    }
    return status;
}

static void on_patience_over(void *context) {
    struct resp_server *server = context;
    server->door.host->timer_stop(server->door.plugin, &server->patience);
    resp_sockets_abandon(server);
}

static void on_stop(void *state) {
    struct resp_server *server = state;
    struct resp_door *door = &server->door;
    door->stopping = true;
    resp_clocks_close(server);
    server->patience =
        door->host->timer_start(door->plugin, PATIENCE_MS, 0, on_patience_over, server);
    resp_listen_close(server);
    resp_sockets_finish(server);
}

static void on_close(void *state) {
    struct resp_server *server = state;
    if (server->handles > 0) {
        return; /* a start that failed half way: libuv still knows them */
    }
    resp_door_deinit(&server->door);
    resp_tls_context_unref(&server->tls);
    if (server->buffer != NULL) {
        explicit_bzero(server->buffer, RESP_READ_BYTES);
        explicit_bzero(server->plain, RESP_READ_BYTES);
    }
    free(server->buffer);
    free(server->plain);
    free(server);
}

/* ---- a new configuration ---- */

static bool same_list(const struct resp_door *door, const struct muster_config *config,
                      const char *key) {
    const struct muster_host *host = door->host;
    const struct muster_config *before = host->config_get(door->plugin, NULL, key);
    const struct muster_config *after = host->config_get(door->plugin, config, key);
    size_t count = host->config_count(door->plugin, before);
    if (count != host->config_count(door->plugin, after)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        const struct muster_config *one = host->config_item(door->plugin, before, i);
        const struct muster_config *other = host->config_item(door->plugin, after, i);
        if (strcmp(host->config_text(door->plugin, one), host->config_text(door->plugin, other)) !=
            0) {
            return false;
        }
    }
    return true;
}

static enum muster_status on_reload(void *state, const struct muster_config *config,
                                    struct muster_complaint *complaint) {
    struct resp_server *server = state;
    struct resp_door *door = &server->door;
    struct resp_settings settings;
    struct resp_tls_context *tls = NULL;
    enum muster_status status =
        resp_settings_read(&settings, door->plugin, door->host, config, complaint);
    if (status == MUSTER_OK) {
        status = read_certificates(server, &settings, &tls, complaint);
    }
    if (status != MUSTER_OK) {
        return status;
    }
    for (size_t i = 0; i < 2; i++) {
        static const char *const lists[] = {"listen", "tls_listen"};
        if (!same_list(door, config, lists[i])) {
            door->host->restart_needed(door->plugin, lists[i]);
        }
    }
    if (settings.unix_mode != door->settings.unix_mode) {
        door->host->restart_needed(door->plugin, "unix_mode");
        settings.unix_mode = door->settings.unix_mode;
    }
    door->settings = settings;
    if (tls != NULL) { /* connections hold theirs */
        resp_tls_context_unref(&server->tls);
        server->tls = tls;
    }
    resp_clocks_open(server);
    return MUSTER_OK;
}

/* ---- hooks ---- */

static void on_reply(void *state, void *context, const struct muster_result *result) {
    resp_door_replied(state, context, result);
}

static void on_authenticated(void *state, void *context, enum muster_status status,
                             struct muster_caller *caller, const char *message) {
    resp_door_authenticated(state, context, status, caller, message);
}

static void on_authorized(void *state, void *context, enum muster_status status,
                          const char *message) {
    resp_door_authorized(state, context, status, message);
}

static void on_message(void *state, const struct muster_event *event) {
    resp_door_message(state, event);
}

static void on_resync(void *state) {
    resp_door_resync(state);
}

static void on_subscribed(void *state, uint64_t mark) {
    resp_door_subscribed(state, mark);
}

static const struct muster_plugin_hooks hooks = {
    .init = on_init,
    .start = on_start,
    .stop = on_stop,
    .close = on_close,
    .reload = on_reload,
};

static const struct muster_transport_hooks transport = {
    .reply = on_reply,
    .authenticated = on_authenticated,
    .authorized = on_authorized,
    .message = on_message,
    .resync = on_resync,
    .subscribed = on_subscribed,
};

MUSTER_PLUGIN(MUSTER_TRANSPORT, "transport_resp", MUSTER_VERSION, resp_keys, RESP_KEYS, &hooks,
              &transport, NULL, NULL, NULL);
