/* reference.h - the reference system's way of working, driven like everything else here, so that
 * designs are compared and not languages.
 *
 * A hash per connection, a set of connections per instance, a set of members and a leader key per
 * session; register and join are two scripts. A list of members is the set, then a hash each. A
 * leader's leave reads the whole set to find the next one. A dead instance is removed by reading
 * everything and then one transaction for all that it held. Each in its leanest form: nothing is
 * published, counted or fenced. What is compared with it is compared with a lower bound.
 */
#ifndef MB_REFERENCE_H
#define MB_REFERENCE_H

#include "load.h"

struct mb_reference {
    struct mb_load load;
    char register_sha[64];
    char join_sha[64];
    char leave_sha[64];
};

/* Loads its scripts. */
void mb_reference_init(struct mb_reference *reference, const struct mb_load *load,
                       struct mb_pipe *pipe);

/* Each `issue` of mb_pipe_run() with the reference as context: register + join; is connection
 * `index` a member of its session? */
void mb_reference_enter(struct mb_pipe *pipe, size_t index, void *reference);
void mb_reference_ismember(struct mb_pipe *pipe, size_t index, void *reference);

/* The leader of the first session leaves: one call, seconds. It joins again, unmeasured. */
double mb_reference_leave(struct mb_pipe *pipe, const struct mb_reference *reference);
/* Lists `count` sessions, MB_DEPTH at a time; returns seconds. */
double mb_reference_list(struct mb_pipe *pipe, const struct mb_reference *reference, size_t count);
/* Removes node-1 with all that it holds; returns seconds. */
double mb_reference_remove(struct mb_pipe *pipe, const struct mb_reference *reference);

#endif
