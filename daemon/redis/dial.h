/* dial.h - from an address to a connected stream. Private to daemon/redis.
 *
 * A name is resolved in libuv's pool; every address that comes out is tried in turn, each for
 * `timeout_ms`. There is one resolution under way per dialer at most: one that outlives its
 * attempt is taken up by the next.
 */
#ifndef MU_REDIS_DIAL_H
#define MU_REDIS_DIAL_H

#include <stdint.h>
#include <uv.h>

#include "base/error.h"
#include "redis/address.h"

/* A stream of its own heap block, so that it may end after whoever used it. Its first member is
 * the handle: `handle.data` is the owner's. */
struct mu_stream {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } as;
    uv_connect_t connect;
};

struct mu_dialer;

/* `stream` is connected and from now on the callee's, or NULL with `error`. May be called from
 * inside mu_dialer_dial(). */
typedef void (*mu_dial_cb)(void *context, struct mu_stream *stream, const struct mu_error *error);

struct mu_dialer *mu_dialer_create(uv_loop_t *loop, mu_dial_cb done, void *context);

/* Not while another one is under way. `address` stays the caller's and must live until `done`,
 * mu_dialer_cancel() or mu_dialer_close(). */
void mu_dialer_dial(struct mu_dialer *dialer, const struct mu_redis_address *address,
                    uint64_t timeout_ms);
/* `done` will not be called for what was under way. */
void mu_dialer_cancel(struct mu_dialer *dialer);

/* Clears the pointer. A resolution that cannot be cancelled ends by itself later. */
void mu_dialer_close(struct mu_dialer **dialer, void (*closed)(void *context), void *context);

#endif
