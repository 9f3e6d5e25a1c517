/* managed.h - the daemon's own redis-server: started, supervised, adopted.
 *
 * The state directory (0700) holds: redis.sock, redis.password (0600, random), redis.conf (0600,
 * written anew by whoever starts the server), redis.pid, redis.log, redis.lock and the data
 * (append-only file). The server is detached from the daemon: it outlives a killed daemon and the
 * next one adopts it; a second daemon on the same state directory attaches. Who may start it is
 * settled by a lock (flock) on redis.lock; the server inherits the locked descriptor, so that the
 * kernel itself answers whether a server of this directory lives, and a second one cannot start
 * however its starter ended.
 *
 * Way: does a server answer on the socket with our password? adopt it - else try the lock: taken, a
 * server lives or is being started, ask again - got, start one and wait until it answers PING
 * without LOADING - on_ready. Afterwards a supervisor PINGs; when the server is gone (child exit,
 * or the socket refuses) it goes the same way again, with back-off, and on_ready is called again.
 * Ways to fail, each with its sentence in on_failed (which repeats are rate-limited, attempts go
 * on): no redis-server binary, older than 7, directory of wrong owner or mode, port taken, the
 * server exits at once (its last log lines are quoted).
 */
#ifndef MU_REDIS_MANAGED_H
#define MU_REDIS_MANAGED_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/error.h"
#include "base/log.h"
#include "redis/address.h"

struct mu_managed;

struct mu_managed_options {
    const char *state_dir;   /* created with 0700 if missing; copied */
    const char *server;      /* program; NULL: redis-server from PATH */
    uint16_t port;           /* 0: unix socket only; else loopback too, with the password */
    const char *appendfsync; /* NULL: "everysec"; or "always", "no" */
    struct mu_log *log;
    void *context;
    /* The server answers at `address` (unix socket, password); valid during the call. */
    void (*on_ready)(void *context, const struct mu_redis_address *address);
    /* An attempt failed; another follows. */
    void (*on_failed)(void *context, const struct mu_error *error);
};

struct mu_managed *mu_managed_create(uv_loop_t *loop, const struct mu_managed_options *options);

/* Where the server of a state directory is, for programs beside the daemon (musterctl): reads
 * the password file. UNAVAILABLE when there is none. `address` is the caller's to deinit. */
enum muster_status mu_managed_address(const char *state_dir, struct mu_redis_address *address,
                                      struct mu_error *error);

/* Ends supervision. With `stop_server` the server is shut down (its data saved) unless another
 * muster daemon is connected to it (client names begin with "musterd:"). Clears the pointer. */
void mu_managed_close(struct mu_managed **managed, bool stop_server, void (*closed)(void *context),
                      void *context);

#endif
