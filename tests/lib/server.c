#include "lib/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/test.h"

enum { MOST_OPTIONS = 64 };

struct mt_server {
    struct mt_world *world;
    char *name;
    char *url;
    const char *dir;
    const char *socket;
    enum mt_server_kind kind;
    const char *const *extra;
    struct mt_process *process;
};

static void launch(struct mt_server *server) {
    bool durable = server->kind == MT_SERVER_DURABLE;
    const char *const options[] = {"--port", "0", "--unixsocket", server->socket, "--dir",
                                   server->dir, "--save", "", "--daemonize", "no", "--loglevel",
                                   "notice",
                                   /* a slow test must not lose events to a full output buffer */
                                   "--client-output-buffer-limit", "pubsub 0 0 0", "--appendonly",
                                   durable ? "yes" : "no", "--appendfsync", "always"};
    const char *argv[MOST_OPTIONS] = {"redis-server"};
    const char *const *extra = server->extra;
    size_t count = 1;
    if (extra != NULL && extra[0] != NULL && extra[0][0] != '-')
        argv[count++] = *extra++; /* a configuration file comes first */
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        argv[count++] = options[i];
    for (size_t i = 0; extra != NULL && extra[i] != NULL; i++) {
        assert_true(count < MOST_OPTIONS - 1);
        argv[count++] = extra[i];
    }
    server->process = mt_process_start(server->world, server->name, argv);
    struct mt_redis *redis = mt_redis_open(server->world, server->socket, NULL);
    mt_redis_close(&redis);
}

struct mt_server *mt_server_start(struct mt_world *world, const char *name,
                                  enum mt_server_kind kind, const char *const *extra) {
    struct mt_server *server = calloc(1, sizeof *server);
    assert_non_null(server);
    server->world = world;
    server->kind = kind;
    server->extra = extra;
    server->name = strdup(name);
    server->dir = mt_world_path(world, "%s", name);
    server->socket = mt_world_path(world, "%s.sock", name);
    if (asprintf(&server->url, "unix://%s", server->socket) < 0)
        abort();
    assert_int_equal(mkdir(server->dir, 0700), 0);
    launch(server);
    return server;
}

void mt_server_free(struct mt_server **pointer) {
    struct mt_server *server = *pointer;
    if (server == NULL)
        return;
    *pointer = NULL;
    free(server->name);
    free(server->url);
    free(server);
}

struct mt_redis *mt_server_connect(const struct mt_server *server) {
    return mt_redis_open(server->world, server->socket, NULL);
}

const char *mt_server_socket(const struct mt_server *server) {
    return server->socket;
}

const char *mt_server_url(const struct mt_server *server) {
    return server->url;
}

struct mt_process *mt_server_process(const struct mt_server *server) {
    return server->process;
}

void mt_server_kill(struct mt_server *server) {
    mt_process_kill(server->process);
}

void mt_server_restart(struct mt_server *server) {
    mt_server_kill(server);
    launch(server);
}
