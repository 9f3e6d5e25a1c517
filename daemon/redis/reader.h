/* reader.h - hiredis's reply reader with bounds. Private to daemon/redis.
 *
 * By itself the reader allocates what a peer announces: 13 bytes make it allocate an array of
 * 2^31 elements. Here an announcement beyond the caps ends the conversation before anything is
 * allocated. And by itself it makes two allocations of each element; here a reply lies in an arena
 * (arena.h), which is used again for the next one.
 */
#ifndef MU_REDIS_READER_H
#define MU_REDIS_READER_H

#include <hiredis/hiredis.h>
#include <stddef.h>

#include "base/error.h"

struct mu_reader;

/* `bytes_max`: of one reply; 0: 128 MiB. */
struct mu_reader *mu_reader_create(size_t bytes_max);
void mu_reader_destroy(struct mu_reader **reader);

/* Adds bytes of the peer. A reply that grows beyond the cap is an error. */
enum muster_status mu_reader_feed(struct mu_reader *reader, const char *data, size_t length,
                                  struct mu_error *error) MU_WARN_UNUSED;

/* The next complete reply, or NULL when more bytes are needed. It belongs to the reader, which
 * overwrites and frees it in the next call of this function: not for freeReplyObject(). An error
 * is final: nothing more can be read. */
enum muster_status mu_reader_next(struct mu_reader *reader, const redisReply **reply,
                                  struct mu_error *error) MU_WARN_UNUSED;

#endif
