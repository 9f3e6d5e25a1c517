/* sentinel.h - follows a master by what the sentinels say of it.
 *
 * The happy path: a link and a subscriber to each sentinel - each is asked for the master's address
 * and epoch - all have answered, or cannot, or half a second has passed - the best answer
 * (sentinel_choice.h) is looked at: a connection there must say that its role is master - then it
 * goes to `on_master`, whose owner connects there. `+switch-master` at any
 * sentinel, a loss of the master that the owner tells, and a slow clock make it ask them all again;
 * another answer that is better goes the same way.
 *
 * The ways to fail: a sentinel is away (its links try for ever; the others are asked meanwhile), or
 * knows no such master, or names a server that is none or not there: whoever names it is not
 * believed for a second, and the next best is looked at. Nobody names a master: nothing changes,
 * the reason is logged, and asking goes on. When all sentinels are away what is followed stays.
 */
#ifndef MU_REDIS_SENTINEL_H
#define MU_REDIS_SENTINEL_H

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/error.h"
#include "base/log.h"
#include "redis/address.h"

struct mu_sentinel;

/* What is needed to find a master: texts as they were given. Not owned. */
struct mu_sentinel_names {
    const char *master;
    const char *const *addresses; /* host:port each; or */
    size_t count;
    const char *list;     /* the same as one text parted by commas, as a command line has it */
    const char *user;     /* for the sentinels; NULL or "": none */
    const char *password; /* for the sentinels; NULL or "": none */
    const char *url; /* its user, password, database and scheme are for the master; may be "" */
    struct mu_redis_tls_options tls; /* of a rediss:// url; for the sentinels, too */
};

/* Where the sentinels are, and how to log in at the master. */
struct mu_sentinel_places {
    struct mu_redis_address *sentinels;
    size_t count;
    struct mu_redis_address master; /* its host and port mean nothing */
};

/* BAD_REQUEST with a sentence that begins with the key of the configuration, or with the option if
 * there is a list. mu_sentinel_places_deinit() in either case. */
enum muster_status mu_sentinel_places_read(const struct mu_sentinel_names *names,
                                           struct mu_sentinel_places *places,
                                           struct mu_error *error);
void mu_sentinel_places_copy(struct mu_sentinel_places *to, const struct mu_sentinel_places *from);
void mu_sentinel_places_deinit(struct mu_sentinel_places *places);
/* The login of the master at another place. `address` is uninitialised. */
void mu_sentinel_address(const struct mu_sentinel_places *places, const char *host, uint16_t port,
                         struct mu_redis_address *address);

struct mu_sentinel_options {
    const char *master;                      /* copied */
    const struct mu_sentinel_places *places; /* copied */
    const char *client_name;                 /* copied; may be NULL */
    uint64_t connect_timeout_ms;             /* as those of a link */
    uint64_t command_timeout_ms;
    uint64_t retry_min_ms;
    uint64_t retry_max_ms;
    struct mu_log *log; /* not owned; may be NULL */
    void *context;
    /* The master is there, says who knows best: for the first time, or another than before, or the
     * same again after a failover that came back to it. Valid during the call. From the loop, never
     * from inside a function that was asked. */
    void (*on_master)(void *context, const struct mu_redis_address *address);
};

struct mu_sentinel *mu_sentinel_create(uv_loop_t *loop, const struct mu_sentinel_options *options);
/* A connection to the master was lost or could not be made. They are all asked again. */
void mu_sentinel_lost(struct mu_sentinel *sentinel);
/* What answers there is no master any more. It is believed of nobody for a second. */
void mu_sentinel_refused(struct mu_sentinel *sentinel, const char *reason);
/* The connection to the master is fine: from now on only a newer epoch changes anything. */
void mu_sentinel_fine(struct mu_sentinel *sentinel);
/* Number of the failover that made the present master one; 0: there was none, or it is not known.
 */
uint64_t mu_sentinel_failover(const struct mu_sentinel *sentinel);
/* Clears the pointer; `closed` in a later turn. */
void mu_sentinel_close(struct mu_sentinel **sentinel, void (*closed)(void *context), void *context);

#endif
