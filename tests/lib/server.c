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
    char *urls[MT_ADMIN + 1];
    const char *dir;
    const char *socket;
    const char *users; /* its ACL file, or NULL */
    enum mt_server_kind kind;
    const char *const *extra;
    const char *certificates; /* the folder, or NULL: no TLS */
    struct mt_server_tls with;
    int port;
    char *tls_url;
    struct mt_process *process;
};

static bool has_option(const char *const *extra, const char *option) {
    for (; extra != NULL && *extra != NULL; extra++)
        if (strcmp(*extra, option) == 0)
            return true;
    return false;
}

static void add_options(const char **argv, const char *const *options) {
    size_t count = 0;
    while (argv[count] != NULL)
        count++;
    for (size_t i = 0; options != NULL && options[i] != NULL; i++) {
        assert_true(count < MOST_OPTIONS - 1);
        argv[count++] = options[i];
    }
}

static void start(struct mt_server *server) {
    bool durable = server->kind == MT_SERVER_DURABLE;
    const char *const options[] = {"--port", "0", "--unixsocket", server->socket, "--dir",
                                   server->dir, "--save", "", "--daemonize", "no", "--loglevel",
                                   "notice",
                                   /* a slow test must not lose events to a full output buffer */
                                   "--client-output-buffer-limit", "pubsub 0 0 0", "--appendonly",
                                   durable ? "yes" : "no", "--appendfsync", "always", NULL};
    const char *argv[MOST_OPTIONS] = {"redis-server"};
    const char *const *extra = server->extra;
    if (extra != NULL && extra[0] != NULL && extra[0][0] != '-')
        argv[1] = *extra++; /* a configuration file comes first */
    add_options(argv, options);
    /* The daemon may not set the events where there are users. */
    if (server->users != NULL)
        add_options(argv, (const char *const[]){"--aclfile", server->users,
                                                "--notify-keyspace-events", "KEgxe", NULL});
    add_options(argv, extra); /* wins */
    char port[8];
    if (server->certificates != NULL) {
        const char *name = server->with.certificate != NULL ? server->with.certificate : "server";
        const char *folder = strrchr(server->certificates, '/') + 1;
        snprintf(port, sizeof port, "%d", server->port);
        add_options(argv,
                    (const char *const[]){
                        "--tls-port", port, "--bind", "127.0.0.1", "--tls-cert-file",
                        mt_world_path(server->world, "%s/%s.pem", folder, name), "--tls-key-file",
                        mt_world_path(server->world, "%s/%s.key", folder, name),
                        "--tls-ca-cert-file", mt_world_path(server->world, "%s/ca.pem", folder),
                        "--tls-auth-clients", server->with.clients ? "yes" : "no", NULL});
    }
    server->process = mt_process_start(server->world, server->name, argv);
}

static bool settled(struct mt_server *server) {
    redisContext *context = redisConnectUnix(server->socket);
    bool answers = context != NULL && context->err == 0;
    if (context != NULL)
        redisFree(context);
    return answers || !mt_process_running(server->process);
}

/* Somebody else may have taken the port: then redis-server ends, and it, or another, is tried. */
static void launch(struct mt_server *server, bool any_port) {
    for (int tries = 0; server->certificates != NULL; tries++) {
        assert_true(tries < PORTS_TRIED);
        if (any_port)
            server->port = mt_free_port();
        start(server);
        MT_WAIT(server->world, settled(server), "a redis-server with TLS");
        if (mt_process_running(server->process))
            break;
        mt_let_pass(100);
    }
    if (server->certificates == NULL)
        start(server);
    struct mt_redis *redis = mt_server_connect(server);
    mt_redis_close(&redis);
}

/* `over_tls`: as MUSTER_TEST_REDIS wants it; tests of TLS have mt_server_tls_url(). */
static void name_urls(struct mt_server *server, bool over_tls) {
    for (enum mt_user user = MT_DAEMON; user <= MT_ADMIN; user++) {
        char login[80] = "";
        int length = 0;
        if (server->users != NULL && user != MT_ADMIN)
            snprintf(login, sizeof login, "%s:%s@", mt_access_name(user), mt_access_password(user));
        if (over_tls)
            length = asprintf(&server->urls[user], "rediss://%s127.0.0.1:%d", login, server->port);
        else
            length = asprintf(&server->urls[user], "unix://%s%s", login, server->socket);
        if (length < 0)
            abort();
    }
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
    if (mt_access_has_users() && !has_option(extra, "--aclfile") && !has_option(extra, "--user")) {
        mt_access_write_users(server->socket);
        server->users = mt_world_path(world, "%s.sock.acl", name);
    }
    assert_int_equal(mkdir(server->dir, 0700), 0);
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

struct mt_server *mt_server_start(struct mt_world *world, const char *name,
                                  enum mt_server_kind kind, const char *const *extra) {
    struct mt_server *server = prepare(world, name, kind, extra);
    bool over_tls = mt_access_has_tls() && !has_option(extra, "--port");
    if (over_tls)
        server->certificates = mt_access_certificates(world);
    launch(server, true);
    name_urls(server, over_tls);
    return server;
}

struct mt_server *mt_server_start_tls(struct mt_world *world, const char *name,
                                      enum mt_server_kind kind, const char *const *extra,
                                      const struct mt_server_tls *tls) {
    struct mt_server *server = prepare(world, name, kind, extra);
    server->certificates = mt_certificates(world);
    server->with = *tls;
    server->port = tls->port;
    launch(server, tls->port == 0);
    name_urls(server, false);
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
    if (server->users != NULL)
        mt_access_check(server->world, server->socket);
    free(server->name);
    free(server->tls_url);
    for (enum mt_user user = MT_DAEMON; user <= MT_ADMIN; user++)
        free(server->urls[user]);
    free(server);
}

struct mt_redis *mt_server_connect(const struct mt_server *server) {
    return mt_redis_open(server->world, server->socket, NULL);
}

const char *mt_server_socket(const struct mt_server *server) {
    return server->socket;
}

const char *mt_server_url_for(const struct mt_server *server, enum mt_user user) {
    return server->urls[user];
}

const char *mt_server_url(const struct mt_server *server) {
    return mt_server_url_for(server, MT_DAEMON);
}

struct mt_process *mt_server_process(const struct mt_server *server) {
    return server->process;
}

void mt_server_kill(struct mt_server *server) {
    mt_process_kill(server->process);
}

void mt_server_restart(struct mt_server *server) {
    mt_server_kill(server);
    launch(server, false);
}
