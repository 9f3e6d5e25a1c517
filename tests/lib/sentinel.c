#include "lib/sentinel.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/process.h"
#include "lib/test.h"
#include "lib/wait.h"

enum { MOST_SERVERS = 8, MOST_SENTINELS = 9, MOST_WORDS = 48, MOST_SETS = 5 };

struct redis {
    struct mt_server *server;
    int port;
    char port_text[8];
    const char *argv[MOST_WORDS];
};

struct sentinel {
    struct mt_process *process;
    const char *file;
    int port;
    char name[32];
};

struct mt_sentinels {
    struct mt_world *world;
    struct mt_sentinels_options options;
    struct redis servers[MOST_SERVERS];
    size_t server_count;
    struct sentinel sentinels[MOST_SENTINELS];
    size_t count;
    char list[256];
    char sets[MOST_SETS][320];
    const char *set[MOST_SETS + 1];
};

/* Below the range from which the kernel takes ports of outgoing connections: whoever knocks at the
 * port of a dead server could be given that very port, and would talk to itself. */
static int quiet_port(void) {
    for (int i = 0; i < 1000; i++) {
        unsigned random = 0;
        assert_int_equal(getrandom(&random, sizeof random, 0), sizeof random);
        int port = 12000 + (int)(random % 20000);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct sockaddr_in where = {.sin_family = AF_INET,
                                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                    .sin_port = htons((uint16_t)port)};
        bool free_now = bind(fd, (struct sockaddr *)&where, sizeof where) == 0;
        close(fd);
        if (free_now)
            return port;
    }
    abort();
}

static FILE *create(const char *path) {
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    return file;
}

/* ---- asking ---- */

/* NULL: it cannot be asked. For freeReplyObject(). */
static redisReply *ask(const struct mt_sentinels *s, size_t index, const char *command) {
    struct timeval patience = {.tv_sec = 2};
    redisContext *context =
        redisConnectWithTimeout("127.0.0.1", s->sentinels[index].port, patience);
    redisReply *reply = NULL;
    if (context != NULL && context->err == 0) {
        redisSetTimeout(context, patience);
        if (s->options.password != NULL)
            freeReplyObject(redisCommand(context, "AUTH %s", s->options.password));
        if (context->err == 0)
            reply = redisCommand(context, command);
    }
    if (context != NULL)
        redisFree(context);
    return reply;
}

static bool succeeds(const struct mt_sentinels *s, size_t index, const char *command) {
    redisReply *reply = ask(s, index, command);
    bool fine = reply != NULL && reply->type != REDIS_REPLY_ERROR;
    freeReplyObject(reply);
    return fine;
}

/* Whom this sentinel names. *answered: it could be asked. */
static size_t named(const struct mt_sentinels *s, size_t index, bool *answered) {
    redisReply *reply = ask(s, index, "SENTINEL GET-MASTER-ADDR-BY-NAME " MT_MASTER);
    size_t found = MT_NOBODY;
    *answered = reply != NULL;
    if (reply != NULL && reply->type == REDIS_REPLY_ARRAY && reply->elements == 2) {
        for (size_t i = 0; i < s->server_count; i++) {
            if (strcmp(reply->element[1]->str, s->servers[i].port_text) == 0)
                found = i;
        }
    }
    freeReplyObject(reply);
    return found;
}

size_t mt_sentinels_master(struct mt_sentinels *s) {
    size_t master = MT_NOBODY;
    for (size_t i = 0; i < s->count; i++) {
        bool answered = false;
        size_t one = named(s, i, &answered);
        if (!answered)
            continue;
        if (one == MT_NOBODY || (master != MT_NOBODY && one != master))
            return MT_NOBODY;
        master = one;
    }
    return master;
}

/* A field of `SENTINEL MASTER`, a list of names and values. */
static long long about_master(const redisReply *reply, const char *name) {
    for (size_t i = 0; reply != NULL && i + 1 < reply->elements; i += 2) {
        if (strcmp(reply->element[i]->str, name) == 0)
            return strtoll(reply->element[i + 1]->str, NULL, 10);
    }
    return -1;
}

static bool knows_all(const struct mt_sentinels *s, size_t index) {
    redisReply *reply = ask(s, index, "SENTINEL MASTER " MT_MASTER);
    bool all = about_master(reply, "num-slaves") == (long long)s->server_count - 1 &&
               about_master(reply, "num-other-sentinels") == (long long)s->count - 1;
    freeReplyObject(reply);
    return all;
}

static bool all_know_all(const struct mt_sentinels *s) {
    for (size_t i = 0; i < s->count; i++) {
        if (!knows_all(s, i))
            return false;
    }
    return true;
}

/* The value of a line of INFO replication, or "" when the server cannot be asked. */
static void about(const struct mt_sentinels *s, size_t index, const char *field, char *out,
                  size_t size) {
    struct timeval patience = {.tv_sec = 2};
    redisContext *context =
        redisConnectUnixWithTimeout(mt_server_socket(s->servers[index].server), patience);
    redisReply *reply = NULL;
    char needle[64];
    out[0] = '\0';
    if (context != NULL && context->err == 0) {
        redisSetTimeout(context, patience);
        reply = redisCommand(context, "INFO replication");
    }
    snprintf(needle, sizeof needle, "\n%s:", field);
    const char *found =
        reply != NULL && reply->type == REDIS_REPLY_STRING ? strstr(reply->str, needle) : NULL;
    if (found != NULL) {
        found += strlen(needle);
        snprintf(out, size, "%.*s", (int)strcspn(found, "\r\n"), found);
    }
    freeReplyObject(reply);
    if (context != NULL)
        redisFree(context);
}

static bool is_master(const struct mt_sentinels *s, size_t index) {
    char role[16];
    about(s, index, "role", role, sizeof role);
    return strcmp(role, "master") == 0;
}

static bool found_other(struct mt_sentinels *s, size_t old, size_t *master) {
    *master = mt_sentinels_master(s);
    return *master != MT_NOBODY && *master != old && is_master(s, *master);
}

size_t mt_sentinels_await(struct mt_sentinels *s, size_t old) {
    size_t master = MT_NOBODY;
    MT_WAIT(s->world, found_other(s, old, &master), "sentinels that agree on a master");
    return master;
}

static bool in_step(const struct mt_sentinels *s, size_t master) {
    char value[16];
    for (size_t i = 0; i < s->server_count; i++) {
        if (i == master || !mt_process_running(mt_server_process(s->servers[i].server)))
            continue;
        about(s, i, "master_port", value, sizeof value);
        if (strcmp(value, s->servers[master].port_text) != 0)
            return false;
        about(s, i, "master_link_status", value, sizeof value);
        if (strcmp(value, "up") != 0)
            return false;
    }
    return true;
}

size_t mt_sentinels_settle(struct mt_sentinels *s, size_t old) {
    size_t master = MT_NOBODY;
    MT_WAIT(s->world, found_other(s, old, &master) && in_step(s, master),
            "one master, and replicas that follow it");
    return master;
}

/* Only one is asked, as long as it names the old one: a second failover at the heels of the first
 * is not what a test wants. One that was given up is begun again. */
static bool switched(struct mt_sentinels *s, size_t old, size_t *master) {
    for (size_t i = 0; i < s->count; i++) {
        bool answered = false;
        size_t one = named(s, i, &answered);
        if (!answered)
            continue;
        if (one == old)
            (void)succeeds(s, i, "SENTINEL FAILOVER " MT_MASTER);
        return one != old && found_other(s, old, master);
    }
    return false;
}

size_t mt_sentinels_failover(struct mt_sentinels *s) {
    size_t old = mt_sentinels_await(s, MT_NOBODY);
    size_t master = MT_NOBODY;
    MT_WAIT(s->world, switched(s, old, &master), "a switch that was asked for");
    return master;
}

/* ---- starting ---- */

static void start_server(struct mt_sentinels *s, size_t index) {
    struct redis *redis = &s->servers[index];
    const char *name = mt_world_path(s->world, "server-%zu", index);
    const char *path = mt_world_path(s->world, "server-%zu.conf", index);
    FILE *file = create(path);
    redis->port = quiet_port();
    snprintf(redis->port_text, sizeof redis->port_text, "%d", redis->port);
    if (index > 0)
        fprintf(file, "replicaof 127.0.0.1 %d\n", s->servers[0].port);
    assert_int_equal(fclose(file), 0);
    const char *argv[] = {path, "--port", redis->port_text, "--bind", "127.0.0.1",
                          /* a replica is in step at once, and a dead master is missed at once */
                          "--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1"};
    size_t count = sizeof argv / sizeof *argv;
    memcpy(redis->argv, argv, sizeof argv);
    for (size_t i = 0; s->options.extra != NULL && s->options.extra[i] != NULL; i++) {
        assert_true(count < MOST_WORDS - 1);
        redis->argv[count++] = s->options.extra[i];
    }
    redis->server = mt_server_start(s->world, strrchr(name, '/') + 1, s->options.kind, redis->argv);
}

static void write_sentinel(const struct mt_sentinels *s, const struct sentinel *sentinel,
                           unsigned quorum, unsigned down_after_ms) {
    FILE *file = create(sentinel->file);
    fprintf(file,
            "port %d\nbind 127.0.0.1\ndir %s\nsave \"\"\n"
            "sentinel monitor " MT_MASTER " 127.0.0.1 %d %u\n"
            "sentinel down-after-milliseconds " MT_MASTER " %u\n"
            "sentinel failover-timeout " MT_MASTER " 6000\n",
            sentinel->port, mt_world_dir(s->world), s->servers[0].port, quorum, down_after_ms);
    if (s->options.password != NULL)
        fprintf(file, "requirepass %s\nsentinel sentinel-pass %s\n", s->options.password,
                s->options.password);
    assert_int_equal(fclose(file), 0);
}

static void launch(struct mt_sentinels *s, size_t index) {
    struct sentinel *sentinel = &s->sentinels[index];
    sentinel->process =
        mt_process_start(s->world, sentinel->name,
                         (const char *const[]){"redis-server", sentinel->file, "--sentinel", NULL});
    /* Short periods; and a slow machine is no reason to think that the clock went wrong. Not too
     * short: who promotes looks once a second, and a promoted replica must not be turned back
     * before that, which the others do after four of their publish-period. */
    MT_WAIT(s->world,
            succeeds(s, index,
                     "SENTINEL DEBUG info-period 300 publish-period 750 ask-period 200 "
                     "ping-period 200 tilt-trigger 20000"),
            "a sentinel that answers");
}

static void describe(struct mt_sentinels *s) {
    size_t used = 0;
    for (size_t i = 0; i < s->count; i++)
        used += (size_t)snprintf(s->list + used, sizeof s->list - used, "%s127.0.0.1:%d",
                                 i == 0 ? "" : ",", s->sentinels[i].port);
    snprintf(s->sets[0], sizeof s->sets[0], "redis.mode=sentinel");
    snprintf(s->sets[1], sizeof s->sets[1], "redis.sentinel.master=" MT_MASTER);
    used = (size_t)snprintf(s->sets[2], sizeof s->sets[2], "redis.sentinel.addresses=[");
    for (size_t i = 0; i < s->count; i++)
        used += (size_t)snprintf(s->sets[2] + used, sizeof s->sets[2] - used, "%s\"127.0.0.1:%d\"",
                                 i == 0 ? "" : ",", s->sentinels[i].port);
    snprintf(s->sets[2] + used, sizeof s->sets[2] - used, "]");
    snprintf(s->sets[3], sizeof s->sets[3], "redis.sentinel.password=%s",
             s->options.password == NULL ? "" : s->options.password);
    for (size_t i = 0; i < (s->options.password == NULL ? 3 : 4); i++)
        s->set[i] = s->sets[i];
    /* The host is not looked at: the sentinels know it. */
    if (mt_access_guards(mt_server_socket(s->servers[0].server))) {
        snprintf(s->sets[4], sizeof s->sets[4], "redis.url=redis://%s:%s@localhost",
                 mt_access_name(MT_DAEMON), mt_access_password(MT_DAEMON));
        s->set[s->options.password == NULL ? 3 : 4] = s->sets[4];
    }
}

struct mt_sentinels *mt_sentinels_start(struct mt_world *world,
                                        const struct mt_sentinels_options *options) {
    struct mt_sentinels *s = calloc(1, sizeof *s);
    assert_non_null(s);
    s->world = world;
    if (options != NULL)
        s->options = *options;
    s->server_count = 1 + (s->options.replicas == 0 ? 1 : s->options.replicas);
    s->count = s->options.sentinels == 0 ? 3 : s->options.sentinels;
    assert_true(s->server_count <= MOST_SERVERS && s->count <= MOST_SENTINELS);
    unsigned quorum = s->options.quorum == 0 ? (unsigned)s->count / 2 + 1 : s->options.quorum;
    unsigned down_after_ms =
        s->options.down_after_ms == 0 ? 1000 * mt_slowness() : s->options.down_after_ms;
    for (size_t i = 0; i < s->server_count; i++)
        start_server(s, i);
    MT_WAIT(world, in_step(s, 0), "replicas that follow the master");
    for (size_t i = 0; i < s->count; i++) {
        struct sentinel *sentinel = &s->sentinels[i];
        snprintf(sentinel->name, sizeof sentinel->name, "sentinel-%zu", i);
        sentinel->file = mt_world_path(world, "sentinel-%zu.conf", i);
        sentinel->port = quiet_port();
        write_sentinel(s, sentinel, quorum, down_after_ms);
        launch(s, i);
    }
    describe(s);
    MT_WAIT(world, all_know_all(s), "sentinels that know each other and all replicas");
    return s;
}

void mt_sentinels_free(struct mt_sentinels **pointer) {
    struct mt_sentinels *s = *pointer;
    if (s == NULL)
        return;
    *pointer = NULL;
    for (size_t i = 0; i < s->server_count; i++)
        mt_server_free(&s->servers[i].server);
    free(s);
}

/* ---- what it has ---- */

size_t mt_sentinels_servers(const struct mt_sentinels *s) {
    return s->server_count;
}

struct mt_server *mt_sentinels_server(const struct mt_sentinels *s, size_t index) {
    assert_true(index < s->server_count);
    return s->servers[index].server;
}

int mt_sentinels_server_port(const struct mt_sentinels *s, size_t index) {
    assert_true(index < s->server_count);
    return s->servers[index].port;
}

size_t mt_sentinels_count(const struct mt_sentinels *s) {
    return s->count;
}

int mt_sentinels_port(const struct mt_sentinels *s, size_t index) {
    assert_true(index < s->count);
    return s->sentinels[index].port;
}

struct mt_process *mt_sentinels_process(const struct mt_sentinels *s, size_t index) {
    assert_true(index < s->count);
    return s->sentinels[index].process;
}

void mt_sentinels_kill(struct mt_sentinels *s, size_t index) {
    mt_process_kill(mt_sentinels_process(s, index));
}

void mt_sentinels_restart(struct mt_sentinels *s, size_t index) {
    mt_sentinels_kill(s, index);
    launch(s, index);
}

const char *mt_sentinels_list(const struct mt_sentinels *s) {
    return s->list;
}

const char *const *mt_sentinels_set(const struct mt_sentinels *s) {
    return s->set;
}
