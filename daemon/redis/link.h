/* link.h - one pipelined connection for commands to Redis, over libuv.
 *
 * The happy path: resolve the name (in libuv's pool) - connect - TLS, if rediss:// - AUTH, SELECT
 * and CLIENT SETNAME in one batch - `on_connected`, in which the owner prepares (library, settings)
 * with mu_link_prepare_command() - mu_link_open() - from then on commands go out. All commands of
 * one turn of the loop leave in one write, but for the first 32 of many when Redis has nothing of
 * ours to do: it begins with these at once. Replies come in the order of the commands.
 *
 * The ways to fail: the name does not resolve, the connection is refused or not there in
 * `connect_timeout_ms`, TLS fails (tls.h), the log-in is refused, the peer closes, resets or breaks
 * the protocol, a reply exceeds the caps, a write is refused because the server has become a
 * replica (that command still gets its reply), or the oldest command waited `command_timeout_ms`
 * for its reply. Each ends the connection: `on_down` is called once with the reason; every command
 * already written ends with TIMEOUT (its outcome is unknown); commands still queued stay queued
 * until their own deadline; then the link connects again after a back-off that doubles with jitter
 * from `retry_min_ms` to `retry_max_ms`, for ever, until mu_link_close().
 *
 * No callback is ever called from inside the function that was asked, except where said.
 */
#ifndef MU_REDIS_LINK_H
#define MU_REDIS_LINK_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/error.h"
#include "base/histogram.h"
#include "base/log.h"
#include "redis/address.h"

struct mu_link;

struct mu_link_options {
    const struct mu_redis_address *address; /* copied */
    const char *client_name;                /* for CLIENT SETNAME; copied; may be NULL */
    uint64_t connect_timeout_ms;            /* 0: 2000 */
    uint64_t command_timeout_ms;            /* 0: 5000; also how long a command may stay queued */
    uint64_t retry_min_ms;                  /* 0: 50 */
    uint64_t retry_max_ms;                  /* 0: 2000 */
    size_t queue_commands;                  /* 0: 100,000 commands queued or awaiting a reply */
    size_t queue_bytes;                     /* 0: 64 MiB of formatted commands not yet written */
    size_t reply_bytes;                     /* 0: 128 MiB, the most that one reply may have */
    struct mu_log *log;                     /* not owned; may be NULL */
    void *context;
    /* Logged in on a new connection. Prepare here, then mu_link_open(). NULL: opens by itself. */
    void (*on_connected)(void *context);
    /* The connection ended, or an attempt failed; the link tries again by itself. May be NULL. */
    void (*on_down)(void *context, const struct mu_error *reason);
};

/* How one command ended.
 *   MUSTER_OK           `reply` is what Redis answered, which may be an error reply
 *   MUSTER_TIMEOUT      it was written but no reply came: the outcome is unknown
 *   MUSTER_UNAVAILABLE  it was never written: nothing happened
 * `reply` is owned by the link and valid during the call. `error` is NULL on MUSTER_OK. */
typedef void (*mu_link_reply_cb)(void *context, enum muster_status status, const redisReply *reply,
                                 const struct mu_error *error);

/* Creates the link and begins to connect in the next turn of `loop`. Does not block. */
struct mu_link *mu_link_create(uv_loop_t *loop, const struct mu_link_options *options);

/* Another address from the next connection attempt on (a managed server that moved). Copied. */
void mu_link_set_address(struct mu_link *link, const struct mu_redis_address *address);

/* To another address at once: the present connection ends, as on any loss. Copied. */
void mu_link_move(struct mu_link *link, const struct mu_redis_address *address);

/* Queues one command. `lengths` may be NULL: then every argument is a C string. The arguments
 * are copied. MUSTER_OK: `callback` (may be NULL) will be called exactly once, later.
 * MUSTER_OVERLOADED or MUSTER_UNAVAILABLE (closing): it will not be called. */
enum muster_status mu_link_command(struct mu_link *link, size_t count, const char *const *arguments,
                                   const size_t *lengths, mu_link_reply_cb callback,
                                   void *context) MU_WARN_UNUSED;

/* The same, but fails with MUSTER_UNAVAILABLE at once when the link is not open: for what makes
 * no sense later, such as renewing a lease. */
enum muster_status mu_link_command_now(struct mu_link *link, size_t count,
                                       const char *const *arguments, const size_t *lengths,
                                       mu_link_reply_cb callback, void *context) MU_WARN_UNUSED;

/* Between on_connected and mu_link_open(): goes out ahead of everything queued. */
enum muster_status mu_link_prepare_command(struct mu_link *link, size_t count,
                                           const char *const *arguments, const size_t *lengths,
                                           mu_link_reply_cb callback, void *context) MU_WARN_UNUSED;

/* Preparation is over: queued commands flow. A no-op when the connection has gone meanwhile. */
void mu_link_open(struct mu_link *link);

/* Preparation found that this connection is of no use (wrong server, being loaded): ends it with
 * `reason`; the link backs off and connects again. */
void mu_link_reject(struct mu_link *link, const char *reason);

bool mu_link_is_open(const struct mu_link *link);

struct mu_link_counts {
    uint64_t connections;           /* that succeeded */
    uint64_t commands;              /* that were written */
    uint64_t unanswered;            /* written, and lost: TIMEOUT */
    uint64_t unsent;                /* never written: UNAVAILABLE */
    uint64_t refused;               /* no room: OVERLOADED */
    struct mu_histogram round_trip; /* from the write to the reply, us */
    struct mu_histogram batch;      /* commands in one write */
    size_t queued, queued_bytes;    /* now: not written */
    size_t awaiting;                /* now: written, no reply yet */
};
void mu_link_counts(const struct mu_link *link, struct mu_link_counts *out);
/* Counts of successful connections so far: a way to notice that the link was down meanwhile. */
uint64_t mu_link_connections(const struct mu_link *link);

/* Ends the link: every command not yet answered ends (TIMEOUT or UNAVAILABLE) before
 * `closed` (may be NULL) is called, in a later turn of the loop; the memory is gone then. Clears
 * the pointer. No on_down is called. */
void mu_link_close(struct mu_link **link, void (*closed)(void *context), void *context);

#endif
