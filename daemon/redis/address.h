/* address.h - where a Redis is and how to log in. */
#ifndef MU_REDIS_ADDRESS_H
#define MU_REDIS_ADDRESS_H

#include <stdbool.h>
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
    bool tls;          /* rediss:// */
    char *ca;          /* file of the CAs that are trusted; NULL: the system's store */
    char *certificate; /* file of our own certificate, its chain behind it; NULL: none is shown */
    char *key;         /* file of its key; given when the certificate is */
    char *server_name; /* must stand in the server's certificate; NULL: the host */
};

/* What is to go with a rediss:// URL; NULL or "": not given. */
struct mu_redis_tls_options {
    const char *ca, *certificate, *key, *server_name;
};

/* Reads `redis://[user[:password]@]host[:port][/db]`, `redis://[::1]:6379`, the same with
 * `rediss://` (TLS), and
 * `unix://[user[:password]@]/path/to/socket[?db=N]`; percent-escapes in user and password are
 * decoded; `redis://:secret@host` has a password alone. BAD_REQUEST with a sentence otherwise,
 * which never repeats the password. On success `address` owns its strings:
 * mu_redis_address_deinit(). */
enum muster_status mu_redis_address_parse(const char *url, struct mu_redis_address *address,
                                          struct mu_error *error);
/* Copies what TLS goes by into a parsed address. BAD_REQUEST with a sentence when something is
 * given without rediss://, of certificate and key only one, or a name that is none. The files are
 * not looked at: mu_tls_check() does. */
enum muster_status mu_redis_address_set_tls(struct mu_redis_address *address,
                                            const struct mu_redis_tls_options *options,
                                            struct mu_error *error) MU_WARN_UNUSED;
/* Reads `host:port`, `host` or `[::1]:port` alone, as the address of a sentinel is written. The
 * same contract. */
enum muster_status mu_redis_address_endpoint(const char *text, uint16_t default_port,
                                             struct mu_redis_address *address,
                                             struct mu_error *error);
/* May this be a name or an address of a host (IPv6 without brackets)? */
bool mu_redis_host_valid(const char *host, size_t length);
void mu_redis_address_copy(struct mu_redis_address *to, const struct mu_redis_address *from);
/* Overwrites the password before it frees it. */
void mu_redis_address_deinit(struct mu_redis_address *address);
/* For logs: `host:port/db` or `path/db`, without user and password. */
void mu_redis_address_describe(const struct mu_redis_address *address, char *out, size_t size);

#endif
