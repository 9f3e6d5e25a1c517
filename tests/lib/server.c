#include "lib/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/loop.h"
#include "lib/test.h"
#include "lib/wait.h"

enum { MOST_OPTIONS = 64, PORTS_TRIED = 10 };

struct mt_server {
    struct mt_world *world;
    char *name;
    char *url;
    const char *dir;
    const char *socket;
    enum mt_server_kind kind;
    const char *const *extra;
    bool tls;
    struct mt_server_tls with;
    int port;
    char *tls_url;
    struct mt_process *process;
};

static void start(struct mt_server *server) {
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
    char port[8];
    if (server->tls) {
        const char *name = server->with.certificate != NULL ? server->with.certificate : "server";
        mt_certificates(server->world);
        snprintf(port, sizeof port, "%d", server->port);
        const char *tls[] = {"--tls-port",
                             port,
                             "--bind",
                             "127.0.0.1",
                             "--tls-cert-file",
                             mt_world_path(server->world, "tls/%s.pem", name),
                             "--tls-key-file",
                             mt_world_path(server->world, "tls/%s.key", name),
                             "--tls-ca-cert-file",
                             mt_world_path(server->world, "tls/ca.pem"),
                             "--tls-auth-clients",
                             server->with.clients ? "yes" : "no"};
        for (size_t i = 0; i < sizeof tls / sizeof tls[0]; i++) {
            assert_true(count < MOST_OPTIONS - 1);
            argv[count++] = tls[i];
        }
    }
    server->process = mt_process_start(server->world, server->name, argv);
}

static void launch(struct mt_server *server) {
    start(server);
    struct mt_redis *redis = mt_redis_open(server->world, server->socket, NULL);
    mt_redis_close(&redis);
}

static struct mt_server *prepare(struct mt_world *world, const char *name, enum mt_server_kind kind,
                                 const char *const *extra) {
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
    return server;
}

struct mt_server *mt_server_start(struct mt_world *world, const char *name,
                                  enum mt_server_kind kind, const char *const *extra) {
    struct mt_server *server = prepare(world, name, kind, extra);
    launch(server);
    return server;
}

const char *mt_certificates(struct mt_world *world) {
    const char *dir = mt_world_path(world, "tls");
    if (access(mt_world_path(world, "tls/ca.pem"), F_OK) != 0) {
        assert_int_equal(mkdir(dir, 0700), 0);
        assert_int_equal(
            mt_process_run(
                world, "certificates",
                (const char *const[]){MUSTER_SOURCE_DIR "/tests/lib/certificates.sh", dir, NULL},
                NULL),
            0);
    }
    return dir;
}

static bool settled(struct mt_server *server) {
    redisContext *context = redisConnectUnix(server->socket);
    bool answers = context != NULL && context->err == 0;
    if (context != NULL)
        redisFree(context);
    return answers || !mt_process_running(server->process);
}

struct mt_server *mt_server_start_tls(struct mt_world *world, const char *name,
                                      enum mt_server_kind kind, const char *const *extra,
                                      const struct mt_server_tls *tls) {
    struct mt_server *server = prepare(world, name, kind, extra);
    server->tls = true;
    server->with = *tls;
    /* Somebody else may take the port in between: then redis-server ends, and another is tried. */
    for (int tries = 0;; tries++) {
        assert_true(tries < PORTS_TRIED);
        server->port = tls->port != 0 ? tls->port : mt_free_port();
        start(server);
        MT_WAIT(world, settled(server), "a redis-server with TLS");
        if (mt_process_running(server->process))
            break;
    }
    struct mt_redis *redis = mt_server_connect(server);
    mt_redis_close(&redis);
    if (asprintf(&server->tls_url, "rediss://127.0.0.1:%d", server->port) < 0)
        abort();
    return server;
}

const char *mt_server_tls_url(const struct mt_server *server) {
    return server->tls_url;
}

int mt_server_tls_port(const struct mt_server *server) {
    return server->port;
}

const char *mt_server_tls_file(const struct mt_server *server, const char *file) {
    return mt_world_path(server->world, "tls/%s", file);
}

void mt_server_free(struct mt_server **pointer) {
    struct mt_server *server = *pointer;
    if (server == NULL)
        return;
    *pointer = NULL;
    free(server->name);
    free(server->url);
    free(server->tls_url);
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
