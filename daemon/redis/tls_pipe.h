/* tls_pipe.h - rediss:// for programs that wait for each answer.
 *
 * The hiredis of Debian 12 speaks no TLS, and has no place to put it. So it gets one end of a pair
 * of sockets, and a thread carries what it says to Redis and back, through tls.h. The loop's
 * programs need none of this: a link does TLS by itself.
 */
#ifndef MU_REDIS_TLS_PIPE_H
#define MU_REDIS_TLS_PIPE_H

#include <hiredis/hiredis.h>
#include <stdint.h>

#include "base/error.h"
#include "redis/address.h"

/* What redisConnectWithTimeout() is for redis://: not logged in yet, for redisFree(), which ends
 * the thread, too. `timeout_ms` bounds the connecting to each address, and then the handshake with
 * one PING and its answer, without which it is not known whether the server accepts our
 * certificate. NULL with a sentence. Resolving the name blocks, as hiredis does. */
redisContext *mu_tls_pipe_connect(const struct mu_redis_address *address, uint64_t timeout_ms,
                                  struct mu_error *error);

#endif
