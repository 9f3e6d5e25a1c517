/* wire.h - a connected stream, in plain text or with TLS on it: bytes in, bytes out. Private to
 * daemon/redis.
 *
 * Begins to read at once. In plain text it is open at once, too; with TLS when the handshake is
 * over, which on_open says: how long that may take is the owner's to bound. Then everything that
 * comes in is handed over, until the end.
 *
 * Ways to fail: the peer closes or resets, TLS breaks: on_end, once, unless the wire was closed
 * before. A write that fails is told by on_write_failed. But as long as nothing was heard over TLS
 * it is not told: a server that refuses our certificate says why and closes, and what we send
 * meanwhile fails before its reason is read. There the reading has the word.
 *
 * Any callback may call mu_wire_close().
 */
#ifndef MU_REDIS_WIRE_H
#define MU_REDIS_WIRE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/error.h"
#include "redis/address.h"
#include "redis/dial.h"

struct mu_wire;

struct mu_wire_options {
    void *context;
    void (*on_open)(void *context); /* with TLS only */
    /* Valid during the call, and overwritten after it: a message may hold a token. */
    void (*on_bytes)(void *context, const char *data, size_t length);
    void (*on_written)(void *context); /* the write that was under way is through */
    void (*on_end)(void *context, const struct mu_error *reason);
    /* May come from inside mu_wire_write(). */
    void (*on_write_failed)(void *context, const struct mu_error *reason);
};

/* Takes over the stream; `address` says whether TLS is spoken, and is not used later. NULL with
 * `error`: the stream is closed then, too. */
struct mu_wire *mu_wire_create(struct mu_stream *stream, const struct mu_redis_address *address,
                               const struct mu_wire_options *options, struct mu_error *error);

bool mu_wire_is_open(const struct mu_wire *wire);
/* Open, and the last write is through. */
bool mu_wire_can_write(const struct mu_wire *wire);
/* Takes the contents of `data`, what is left in it means nothing. Only if mu_wire_can_write(). */
void mu_wire_write(struct mu_wire *wire, struct mu_buffer *data);
/* Nothing is handed over any more. */
void mu_wire_stop(struct mu_wire *wire);
/* Held: the loop does not wait for what comes in, mu_wire_read() fetches it. Let go: as before. */
void mu_wire_hold(struct mu_wire *wire, bool held);
/* Hands over what has come in, as long as it is held. False: nothing had. */
bool mu_wire_read(struct mu_wire *wire);
/* The sentence for an owner that has waited long enough: for the handshake, or for `what`. */
void mu_wire_late(const struct mu_wire *wire, const char *what, unsigned long long ms,
                  struct mu_error *error);

/* No callback any more but `closed`, in a later turn. Over TLS it says goodbye, as far as the
 * socket takes it at once. Clears the pointer. */
void mu_wire_close(struct mu_wire **wire, void (*closed)(void *context), void *context);

#endif
