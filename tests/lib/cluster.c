#include "lib/cluster.h"

#include <stdlib.h>
#include <string.h>

#include "lib/test.h"

struct mt_cluster *mt_cluster_create_bare(enum mt_server_kind kind) {
    struct mt_cluster *c = calloc(1, sizeof *c);
    if (c == NULL)
        abort();
    c->world = mt_world_create();
    c->server = mt_server_start(c->world, "redis", kind, NULL);
    c->redis = mt_server_connect(c->server);
    c->events = mt_events_open(c->redis, false);
    c->replay = mt_replay_create(c->world);
    c->place = (struct mt_sim_place){c->world, "--url", mt_server_url_for(c->server, MT_BACKEND)};
    return c;
}

struct mt_cluster *mt_cluster_create(enum mt_server_kind kind, const char *const *set) {
    struct mt_cluster *c = mt_cluster_create_bare(kind);
    struct mt_daemon_options options = {.server = c->server, .set = set};
    c->daemon = mt_daemon_lead(c->world, "daemon", &options);
    return c;
}

void mt_cluster_destroy(struct mt_cluster **pointer) {
    struct mt_cluster *c = *pointer;
    if (c == NULL)
        return;
    *pointer = NULL;
    mt_replay_destroy(&c->replay);
    mt_events_close(&c->events);
    mt_redis_close(&c->redis);
    mt_server_free(&c->server);
    mt_world_destroy(&c->world);
    free(c);
}

int mt_cluster_tear_down(void **state) {
    mt_cluster_destroy((struct mt_cluster **)state);
    return 0;
}

struct mt_process *mt_cluster_instance(struct mt_cluster *c, const char *id, const char *seed) {
    struct mt_process *sim = mt_sim_start(&c->place, id, id, "--connections", "200", "--sessions",
                                          "30", "--joins", "2", "--users", "50", "--seed", seed);
    mt_sim_await(sim, "entered");
    return sim;
}

bool mt_cluster_saw(struct mt_cluster *c, const char *event, const char *instance) {
    mt_events_sync(c->events);
    return mt_events_count(c->events, 0, event, "instance", instance) > 0;
}

long long mt_cluster_leads(struct mt_cluster *c, const char *instance) {
    return mt_integer(c->redis, "SCARD " MT_NS "instance:%s:leads", instance);
}

bool mt_cluster_reaped(struct mt_cluster *c) {
    return mt_integer(c->redis, "EXISTS " MT_NS "ghosts") == 0;
}

static long long probes(struct mt_cluster *c) {
    static const char calls[] = "cmdstat_pubsub|numsub:calls=";
    const char *found = strstr(mt_text(c->redis, "INFO commandstats"), calls);
    return found != NULL ? strtoll(found + strlen(calls), NULL, 10) : 0;
}

void mt_cluster_await_probes(struct mt_cluster *c, long long count) {
    long long before = probes(c);
    MT_WAIT(c->world, probes(c) >= before + count, "some probes");
}

void mt_cluster_restart_redis(struct mt_cluster *c) {
    mt_redis_close(&c->redis);
    mt_events_close(&c->events);
    mt_server_restart(c->server);
    c->redis = mt_server_connect(c->server);
    c->events = mt_events_open(c->redis, false);
    c->followed = 0;
    mt_replay_load(c->replay, c->redis);
}

void mt_cluster_check(struct mt_cluster *c) {
    mt_events_sync(c->events);
    mt_replay_follow(c->replay, c->events, &c->followed);
    mt_replay_compare(c->replay, c->redis);
    mt_fsck(c->world, c->server);
}
