/* cluster.h - what tests with real processes share: Redis, a leading musterd, simulated instances,
 * and everything that was published, held against the model. */
#ifndef MT_CLUSTER_H
#define MT_CLUSTER_H

#include "lib/daemon.h"
#include "lib/events.h"
#include "lib/replay.h"
#include "lib/sim.h"
#include "lib/wait.h"

struct mt_cluster {
    struct mt_world *world;
    struct mt_server *server;
    struct mt_redis *redis;
    struct mt_events *events;
    struct mt_replay *replay;
    size_t followed; /* events that the replay has seen */
    struct mt_sim_place place;
    struct mt_process *daemon; /* NULL when the cluster was made without one */
};

/* `set` are `key=value` texts for the daemon, ended by NULL; NULL: defaults. */
struct mt_cluster *mt_cluster_create(enum mt_server_kind kind, const char *const *set);
/* The same, but nobody coordinates yet. */
struct mt_cluster *mt_cluster_create_bare(enum mt_server_kind kind);
void mt_cluster_destroy(struct mt_cluster **cluster);
/* For cmocka: destroys the cluster in *state, if the test left one there. */
int mt_cluster_tear_down(void **state);

/* An instance of 200 connections in two of 30 sessions each, 50 users; it has entered all of them.
 * `seed` settles which. */
struct mt_process *mt_cluster_instance(struct mt_cluster *cluster, const char *id,
                                       const char *seed);

/* Has an event of this name about this instance been published? */
bool mt_cluster_saw(struct mt_cluster *cluster, const char *event, const char *instance);
/* How many sessions the instance leads. */
long long mt_cluster_leads(struct mt_cluster *cluster, const char *instance);
/* No ghost is left. */
bool mt_cluster_reaped(struct mt_cluster *cluster);
/* Waits until the coordinator has asked `count` times more for inboxes, which it does several times
 * between two regular polls of the scores. */
void mt_cluster_await_probes(struct mt_cluster *cluster, long long count);
/* kill -9 of Redis and a restart on the same data. What is published from then on is collected anew
 * and held against the sessions as they stand. */
void mt_cluster_restart_redis(struct mt_cluster *cluster);
/* At a quiet point: the events so far are in order and tell exactly what Redis holds; fsck finds
 * nothing. */
void mt_cluster_check(struct mt_cluster *cluster);

#endif
