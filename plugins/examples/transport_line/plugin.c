/* plugin.c - transport_line: requests and answers as lines of JSON on a unix socket.
 *
 * The happy path: start() binds and listens - every connection has a life of its own
 * (connection.c) - stop() closes the listener, lets what is pending be answered for a second,
 * closes the connections - the last handle is closed - stopped().
 *
 * Ways to fail: the path is too long, is taken by a living process, or cannot be bound (start()
 * complains); what is pending is not answered in time (it is told TIMEOUT); a reader is slow (its
 * connection is closed without its answers).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "line.h"

#define LISTEN_BACKLOG 128
#define PATIENCE_MS 1000 /* stopping: how long what is pending is waited for */

static const struct muster_config_key keys[] = {
    {"path", MUSTER_CONFIG_TEXT, true, NULL, 2, 107,
     "The socket; absolute. Only this user may connect"},
    {"max_line", MUSTER_CONFIG_SIZE, false, "256KiB", 1024, 8 << 20, "Longest request"},
    {"max_backlog", MUSTER_CONFIG_SIZE, false, "16MiB", 64 << 10, 1 << 30,
     "Bytes that a connection has not read; with more it is closed"},
    {"max_pending", MUSTER_CONFIG_INTEGER, false, "4000", 1, 1000000,
     "Requests of one connection pending at once; more are answered OVERLOADED"},
    {"max_connections", MUSTER_CONFIG_INTEGER, false, "1000", 1, 100000,
     "Open at once; more are closed at once"},
};

static uint64_t number(const struct line_door *door, const struct muster_config_key *key) {
    uint64_t value = 0;
    const struct muster_config *node = door->host->config_get(door->plugin, NULL, key->name);
    /* Cannot fail: the host has checked it, and each of these has a default. */
    (void)door->host->config_number(door->plugin, node, key->type, &value);
    return value;
}

static enum muster_status on_init(struct muster_plugin *plugin, const struct muster_host *host,
                                  void **state, struct muster_complaint *complaint) {
    const struct muster_config *path = host->config_get(plugin, NULL, "path");
    const char *text = host->config_text(plugin, path);
    if (text[0] != '/') {
        snprintf(complaint->text, sizeof complaint->text, "%s: path: '%s' is not absolute",
                 host->config_place(plugin, path), text);
        return MUSTER_BAD_REQUEST;
    }
    struct line_door *door = line_need(calloc(1, sizeof *door));
    door->plugin = plugin;
    door->host = host;
    door->path = text; /* valid until close */
    door->max_line = number(door, &keys[1]);
    door->max_backlog = number(door, &keys[2]);
    door->max_pending = number(door, &keys[3]);
    door->max_connections = number(door, &keys[4]);
    door->open = host->metric(plugin, MUSTER_GAUGE, "connections", "Open connections");
    door->turned_away = host->metric(plugin, MUSTER_COUNTER, "turned_away_total",
                                     "Connections closed because of max_connections");
    door->slow_readers = host->metric(plugin, MUSTER_COUNTER, "slow_readers_total",
                                      "Connections closed because of max_backlog");
    *state = door;
    return MUSTER_OK;
}

/* ---- listening ---- */

/* A daemon that was killed leaves its socket behind: one that nobody listens at is removed. */
static void remove_stale(const struct sockaddr_un *address) {
    int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (probe < 0) {
        return;
    }
    if (connect(probe, (const struct sockaddr *)address, sizeof *address) != 0 &&
        errno == ECONNREFUSED) {
        unlink(address->sun_path);
    }
    close(probe);
}

/* Without libuv: a handle that failed half way would have to be closed in a later turn, and after a
 * start that failed there is none. */
static int listen_at(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, strlen(path) + 1); /* at most 107 bytes, says the key */
    remove_stale(&address);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    /* The mode before the name: never open to others, not even for a moment. */
    if (fd >= 0 && fchmod(fd, 0600) == 0 &&
        bind(fd, (const struct sockaddr *)&address, sizeof address) == 0 &&
        listen(fd, LISTEN_BACKLOG) == 0) {
        return fd;
    }
    int why = errno;
    if (fd >= 0) {
        close(fd);
    }
    errno = why;
    return -1;
}

static void free_listener(uv_handle_t *handle) {
    free(handle);
}

static enum muster_status on_start(void *state, struct muster_complaint *complaint) {
    struct line_door *door = state;
    int fd = listen_at(door->path);
    if (fd < 0) {
        snprintf(complaint->text, sizeof complaint->text, "cannot listen at %s: %s", door->path,
                 strerror(errno));
        return MUSTER_UNAVAILABLE;
    }
    door->listener = line_need(malloc(sizeof *door->listener));
    uv_pipe_init(door->host->loop(door->plugin), door->listener, 0);
    door->listener->data = door;
    int fault = uv_pipe_open(door->listener, fd);
    if (fault == 0) {
        fault = uv_listen((uv_stream_t *)door->listener, LISTEN_BACKLOG, line_accept);
    }
    if (fault != 0) {
        snprintf(complaint->text, sizeof complaint->text, "cannot listen at %s: %s", door->path,
                 uv_strerror(fault));
        door->listener->data = NULL;
        uv_close((uv_handle_t *)door->listener, free_listener); /* needs no door */
        door->listener = NULL;
        return MUSTER_UNAVAILABLE;
    }
    door->host->hold(door->plugin, "listening socket");
    door->host->log(door->plugin, MUSTER_LOG_INFO, "listening", "at %s", door->path);
    return MUSTER_OK;
}

/* ---- the end ---- */

void line_settle(struct line_door *door) {
    if (!door->stopping || door->listener != NULL || door->connection_count > 0) {
        return;
    }
    if (door->patience != NULL) {
        door->host->timer_stop(door->plugin, &door->patience);
    }
    door->host->stopped(door->plugin);
}

static void on_listener_closed(uv_handle_t *handle) {
    struct line_door *door = handle->data;
    free(handle);
    door->listener = NULL;
    door->host->release(door->plugin, "listening socket");
    line_settle(door);
}

static void on_patience_over(void *context) {
    struct line_door *door = context;
    door->host->timer_stop(door->plugin, &door->patience);
    line_abandon_all(door);
}

static void on_stop(void *state) {
    struct line_door *door = state;
    door->stopping = true;
    door->patience = door->host->timer_start(door->plugin, PATIENCE_MS, 0, on_patience_over, door);
    unlink(door->path);
    uv_close((uv_handle_t *)door->listener, on_listener_closed);
    line_finish_all(door);
}

static void on_close(void *state) {
    free(state); /* start failed, or stop is over: no connection is left */
}

static const struct muster_plugin_hooks hooks = {
    .init = on_init,
    .start = on_start,
    .stop = on_stop,
    .close = on_close,
};

static const struct muster_transport_hooks transport = {
    .reply = line_replied,
    .authenticated = line_authenticated,
};

MUSTER_PLUGIN(MUSTER_TRANSPORT, "transport_line", "1.0", keys, sizeof keys / sizeof keys[0], &hooks,
              &transport, NULL, NULL, NULL);
