/* keeper.h - keeps the functions library of the right version in Redis while daemons of several
 * versions are about.
 *
 * The happy path: a connection was prepared (which loads our library where an older one was) - the
 * coordinator is told on `signal`, since a library that was just loaded has everything unconfirmed
 * - attend, every two seconds: we are about, with our version - an end: attend with 0. An upgrade:
 * the first newer daemon loads its library, the others go on with it. A rollback: the library stays
 * as long as a newer daemon attends; once the last is gone, the older one that coordinates loads
 * its own.
 *
 * Ways to fail: no answer, or a library that does not know of attending (4 and before): the next
 * round comes. A newer daemon that was away for longer than ten seconds finds an older library in
 * its next round, and loads its own again.
 */
#ifndef MU_COORDINATOR_KEEPER_H
#define MU_COORDINATOR_KEEPER_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/log.h"
#include "config/config.h"
#include "redis/link.h"

/* What an answer of attend says. */
struct mu_attendance {
    uint64_t version; /* of the library in Redis; 0: it does not say */
    uint64_t newest;  /* that a daemon which is about brings along */
    bool settled;     /* it has been asked for so long that everybody was heard */
};

/* Pure. Is `own` to be loaded? */
bool mu_keeper_decide(const struct mu_attendance *attendance, uint64_t own, bool coordinates);

struct mu_keeper;

struct mu_keeper_options {
    struct mu_link *link;           /* not owned, nor what follows */
    const struct mu_config *config; /* namespace and id */
    struct mu_log *log;             /* may be NULL */
};

struct mu_keeper *mu_keeper_create(uv_loop_t *loop, const struct mu_keeper_options *options);
/* The link was opened. `loaded`: and the library had to be loaded for it. */
void mu_keeper_up(struct mu_keeper *keeper, bool loaded);
/* This daemon coordinates, or no longer. */
void mu_keeper_duty(struct mu_keeper *keeper, bool active);
/* Attends no more, as far as the link still takes commands. Before the link is closed. Clears the
 * pointer; NULL in it is fine. */
void mu_keeper_close(struct mu_keeper **keeper);

#endif
