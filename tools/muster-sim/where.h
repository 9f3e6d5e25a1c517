/* where.h - where an instance goes: the addresses that it was given, or the master that sentinels
 * name, which may become another one at any time.
 */
#ifndef MU_SIM_WHERE_H
#define MU_SIM_WHERE_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "journal.h"
#include "options.h"
#include "redis/address.h"

struct mu_where;

struct mu_where_options {
    uv_loop_t *loop;
    const struct mu_sim_options *options; /* not copied */
    struct mu_journal *journal;           /* hears of each master */
    void *context;
    /* Where to go from now on; valid until the next call, and as long as `where` is. Addresses that
     * were given come once, from inside mu_where_create(). */
    void (*on_place)(void *context, const struct mu_redis_address *addresses, size_t count);
};

struct mu_where *mu_where_create(const struct mu_where_options *options);
/* The connection there stands, or has ended, or could not be made. */
void mu_where_tell(struct mu_where *where, bool up);
/* No callback any more; the loop turns until it has ended. */
void mu_where_close(struct mu_where *where);
/* After the loop. Clears the pointer. */
void mu_where_destroy(struct mu_where **where);

/* Do the addresses belong to doors? */
bool mu_where_is_door(const struct mu_sim_options *options);

#endif
