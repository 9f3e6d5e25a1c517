/* prepare.h - makes a new connection to Redis fit for use, between on_connected and opening it.
 *
 * In this order: INFO (run id, version, role) - the functions library - notify-keyspace-events -
 * maxmemory-policy. A replica or a server that is loading cannot be used: `done` gets an error and
 * the owner rejects the connection. That settings may not be read or written is no error, but is
 * said loudly: polling does the work then.
 *
 * If the connection ends meanwhile, `done` is not called; the next connection begins anew.
 */
#ifndef MU_COORDINATOR_PREPARE_H
#define MU_COORDINATOR_PREPARE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/ids.h"
#include "base/log.h"
#include "redis/link.h"

struct mu_prepared {
    /* Run id of the server, and once it was promoted what changes with every promotion, too: as a
     * replica in between it may have got older data. With sentinels also the number of the failover
     * that made it master: one that was left for another and taken back before it became a replica
     * looks as if nothing had been. Made up when INFO is denied, so never the same.
     */
    char run[MU_ID_SIZE];
    char version[32];
    bool cluster;        /* PUBSUB NUMSUB knows one node only */
    bool library_loaded; /* it was missing or older */
    bool replica;        /* it cannot be used, because it is one */
};

typedef void (*mu_prepared_cb)(void *context, const struct mu_error *error,
                               const struct mu_prepared *prepared);

struct mu_preparer;

struct mu_preparer *mu_preparer_create(struct mu_log *log, mu_prepared_cb done, void *context);
/* Not before the link is closed. */
void mu_preparer_destroy(struct mu_preparer **preparer);
/* From on_connected of `link`. `failover`: as the sentinels count them; 0: none. */
void mu_preparer_begin(struct mu_preparer *preparer, struct mu_link *link, uint64_t failover);

#endif
