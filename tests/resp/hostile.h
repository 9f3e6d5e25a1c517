/* hostile.h - a daemon with the RESP door, and what it costs, for tests with peers that mean ill.
 */
#ifndef RESP_HOSTILE_H
#define RESP_HOSTILE_H

#include "resp/peer.h"

struct hostile {
    struct mt_world *world;
    struct mt_server *server;
    struct mt_process *daemon;
    const char *address; /* on loopback */
    struct peer *fine;   /* somebody who means well, and must not notice */
};

/* For cmocka: a Redis, no daemon yet; and the end of all. */
int hostile_set_up(void **state);
int hostile_tear_down(void **state);

/* A daemon whose door has these settings (YAML, "a: 1, b: 2"), ready; and `fine`. */
void hostile_start(struct hostile *hostile, const char *settings);
struct peer *hostile_peer(const struct hostile *hostile);
/* `fine` asks PING and COUNT, and is answered. */
void hostile_check(const struct hostile *hostile);
/* One of the door's metrics. */
long long hostile_metric(const struct hostile *hostile, const char *name);
/* Waits until it has this value. */
void hostile_await(const struct hostile *hostile, const char *name, long long value);

/* KiB of memory that the daemon has. */
long hostile_memory(const struct hostile *hostile);
/* Demands that it grew by less than this. Not under a sanitizer, which keeps what is freed. */
void hostile_bound(const struct hostile *hostile, long before, long most_kib);

#define HOSTILE_TEST(name) cmocka_unit_test_setup_teardown(name, hostile_set_up, hostile_tear_down)

#endif
