/* connection.h - what the link, the subscriber and the managed server share. Private to
 * daemon/redis.
 *
 * Dials - shakes hands, if the address is rediss:// (tls.h; its files are read anew each time) -
 * logs in (AUTH, SELECT, CLIENT SETNAME and a PING in one batch) - `on_connected` - hands over
 * every reply, until the stream ends for whatever reason: then `on_down`, once, and another attempt
 * after a back-off with jitter, for ever. The back-off starts small again once a connection was up
 * for longer than `retry_max_ms`.
 *
 * Callbacks come from the loop, never from inside a function that was asked. The owner does its
 * own work in `on_turn` too: writes are collected until then, and that is where it ends.
 */
#ifndef MU_REDIS_CONNECTION_H
#define MU_REDIS_CONNECTION_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/log.h"
#include "redis/address.h"

struct mu_connection;

struct mu_connection_options {
    const struct mu_redis_address *address; /* copied */
    const char *client_name;                /* copied; may be NULL */
    uint64_t connect_timeout_ms; /* for each address, then for handshake and log-in; 0: 2000 */
    uint64_t retry_min_ms;       /* 0: 50 */
    uint64_t retry_max_ms;       /* 0: 2000 */
    size_t reply_bytes;          /* the most that one reply may have; 0: 128 MiB */
    struct mu_log *log;
    void *context;
    void (*on_connected)(void *context);
    /* Valid during the call. */
    void (*on_reply)(void *context, const redisReply *reply);
    /* `answered`: something at the other end speaks Redis, even if it refused. */
    void (*on_down)(void *context, const struct mu_error *reason, bool answered);
    /* Asked for with mu_connection_turn(), and when a write ended. */
    void (*on_turn)(void *context);
};

/* Begins in the next turn of the loop. */
struct mu_connection *mu_connection_create(uv_loop_t *loop,
                                           const struct mu_connection_options *options);
/* From the next attempt on. */
void mu_connection_set_address(struct mu_connection *self, const struct mu_redis_address *address);

/* To another address at once, in the next turn: what there is ends (on_down), and no back-off is
 * waited for. */
void mu_connection_move(struct mu_connection *self, const struct mu_redis_address *address);

/* Between on_connected and on_down or mu_connection_end(). */
bool mu_connection_is_up(const struct mu_connection *self);
/* Asks for on_turn in the next turn of the loop (this one if it has not polled yet). */
void mu_connection_turn(struct mu_connection *self);
/* Up, and the last write is through. */
bool mu_connection_can_write(const struct mu_connection *self);
/* Takes the contents of `data` and leaves it empty. Only if mu_connection_can_write(). */
void mu_connection_write(struct mu_connection *self, struct mu_buffer *data);
/* Held: the loop does not wake for what comes in, mu_connection_read() fetches it; false: nothing
 * had come. Ends with the connection. Only between on_connected and on_down. */
void mu_connection_hold(struct mu_connection *self, bool held);
bool mu_connection_read(struct mu_connection *self);
/* Ends the connection with this reason, in the next turn; no replies come any more. */
void mu_connection_end(struct mu_connection *self, const char *format, ...) MU_PRINTF(2, 3);

/* The end for good: no callback but `closed`, in a later turn. Clears the pointer. Not from
 * inside on_connected, on_reply or on_down: ask for a turn. */
void mu_connection_close(struct mu_connection **self, void (*closed)(void *context), void *context);

#endif
