/* address.h - where a Redis is and how to log in. */
#ifndef MU_REDIS_ADDRESS_H
#define MU_REDIS_ADDRESS_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct mu_redis_address {
    char *host; /* TCP when not NULL: a name or an address */
    char *path; /* unix socket when not NULL; exactly one of the two */
    uint16_t port;
    char *user;     /* NULL: the default user */
    char *password; /* NULL: no AUTH */
    unsigned database;
};

/* Reads `redis://[user[:password]@]host[:port][/db]`, `redis://[::1]:6379`, and
 * `unix://[user[:password]@]/path/to/socket[?db=N]`; percent-escapes in user and password are
 * decoded; `redis://:secret@host` has a password alone. BAD_REQUEST with a sentence otherwise,
 * which never repeats the password. `rediss://` is refused with its own sentence until TLS is
 * there. On success `address` owns its strings: mu_redis_address_deinit(). */
enum muster_status mu_redis_address_parse(const char *url, struct mu_redis_address *address,
                                          struct mu_error *error);
void mu_redis_address_copy(struct mu_redis_address *to, const struct mu_redis_address *from);
/* Overwrites the password before it frees it. */
void mu_redis_address_deinit(struct mu_redis_address *address);
/* For logs: `host:port/db` or `path/db`, without user and password. */
void mu_redis_address_describe(const struct mu_redis_address *address, char *out, size_t size);

#endif
