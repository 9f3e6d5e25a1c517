/* roster.h - the daemons list themselves, so that STATUS can tell clients where else to go.
 *
 * The happy path: every daemon writes a line of its own into the hash `daemons`, once its link is
 * up and every few seconds from then on - the one that coordinates removes lines that have grown
 * old - a daemon that ends removes its own.
 *
 * Ways to fail: the link is down (the next round comes); the rights are missing (said once; STATUS
 * then lists fewer). Nothing else depends on it.
 */
#ifndef MU_COORDINATOR_ROSTER_H
#define MU_COORDINATOR_ROSTER_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/log.h"
#include "config/config.h"
#include "redis/link.h"

struct mu_roster;

struct mu_roster_options {
    struct mu_link *link;           /* not owned, nor what follows */
    const struct mu_config *config; /* namespace, id and advertised addresses */
    const char *version;
    struct mu_log *log; /* may be NULL */
};

struct mu_roster *mu_roster_create(uv_loop_t *loop, const struct mu_roster_options *options);
/* The link was opened: writes at once. */
void mu_roster_up(struct mu_roster *roster);
/* This daemon coordinates, or no longer. */
void mu_roster_duty(struct mu_roster *roster, bool active);
/* Takes its line away, as far as the link still takes commands. Before the link is closed. Clears
 * the pointer; NULL in it is fine. */
void mu_roster_close(struct mu_roster **roster);

#endif
