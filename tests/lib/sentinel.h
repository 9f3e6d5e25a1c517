/* sentinel.h - Redis with replicas and real sentinels, on ports of the test's own on loopback.
 *
 * Server 0 is the first master, the others its replicas. Each is a struct mt_server with a unix
 * socket for the test and a port for everybody else, and a configuration file that the sentinels
 * may rewrite: who was made a replica is one after a restart, too. The sentinels run with short
 * periods (SENTINEL DEBUG), so that they agree within a second or two; nothing else about them is
 * changed. Everything is a process of the world.
 */
#ifndef MT_SENTINEL_H
#define MT_SENTINEL_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/server.h"

/* The name of the master, as the sentinels know it. */
#define MT_MASTER "the-master"
/* No server. */
#define MT_NOBODY ((size_t)-1)

struct mt_sentinels;

struct mt_sentinels_options {
    size_t replicas;          /* 0: one */
    size_t sentinels;         /* 0: three */
    unsigned quorum;          /* 0: more than half of them */
    unsigned down_after_ms;   /* 0: 1,000, three times that under a sanitizer */
    enum mt_server_kind kind; /* of the servers */
    const char *const *extra; /* more options for every redis-server, ended by NULL; may be NULL */
    const char *password;     /* that the sentinels demand; NULL: none */
};

/* Starts all, and waits until every sentinel knows all replicas and all sentinels. `options` may be
 * NULL: defaults. What it points to must outlive the result. */
struct mt_sentinels *mt_sentinels_start(struct mt_world *world,
                                        const struct mt_sentinels_options *options);
/* Forgets them (the processes end with the world); clears the pointer. */
void mt_sentinels_free(struct mt_sentinels **sentinels);

/* ---- the servers ---- */

size_t mt_sentinels_servers(const struct mt_sentinels *sentinels);
/* For mt_server_connect(), mt_server_kill(), mt_server_restart(), mt_fsck() and so on. */
struct mt_server *mt_sentinels_server(const struct mt_sentinels *sentinels, size_t index);
int mt_sentinels_server_port(const struct mt_sentinels *sentinels, size_t index);

/* Whom the sentinels name that can be asked now; MT_NOBODY when they differ or none answers. */
size_t mt_sentinels_master(struct mt_sentinels *sentinels);
/* Waits until they all name one server other than `old` (MT_NOBODY: any), which says itself that it
 * is a master. */
size_t mt_sentinels_await(struct mt_sentinels *sentinels, size_t old);
/* The same, and that every server that runs is either this master or a replica in step with it. */
size_t mt_sentinels_settle(struct mt_sentinels *sentinels, size_t old);
/* SENTINEL FAILOVER: a switch by hand, while the master lives. Waits until all name the new master,
 * and returns it. */
size_t mt_sentinels_failover(struct mt_sentinels *sentinels);

/* ---- the sentinels ---- */

size_t mt_sentinels_count(const struct mt_sentinels *sentinels);
int mt_sentinels_port(const struct mt_sentinels *sentinels, size_t index);
/* To be stopped, continued, watched. */
struct mt_process *mt_sentinels_process(const struct mt_sentinels *sentinels, size_t index);
/* SIGKILL; waits for its end. */
void mt_sentinels_kill(struct mt_sentinels *sentinels, size_t index);
/* Starts it again with what it remembers; waits until it answers. */
void mt_sentinels_restart(struct mt_sentinels *sentinels, size_t index);

/* `127.0.0.1:P1,127.0.0.1:P2,…` for --sentinel. */
const char *mt_sentinels_list(const struct mt_sentinels *sentinels);
/* `key=value` texts that make a daemon use them, ended by NULL: for struct mt_daemon_options, alone
 * or as the beginning of a longer list. The password is among them. */
const char *const *mt_sentinels_set(const struct mt_sentinels *sentinels);

#endif
