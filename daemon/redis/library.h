/* library.h - loads the functions library that was embedded at build into a Redis.
 *
 * Asks the version that is there (INFO and muster_version); loads ours with REPLACE when
 * it is missing or older; never downgrades: a newer one is kept if its `min_reader` allows us,
 * otherwise the error says so.
 */
#ifndef MU_REDIS_LIBRARY_H
#define MU_REDIS_LIBRARY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "redis/link.h"

#define MU_LIBRARY_VERSION 6 /* the build checks it against daemon/functions */

/* The embedded text, not NUL-terminated. Generated at build. */
extern const unsigned char mu_library_text[];
extern const size_t mu_library_length;

/* To be used between on_connected and mu_link_open() of `link`. `done` is called once;
 * `error` is never NULL: its status is MUSTER_OK and `loaded` says whether it had to be loaded, or
 * it says what is wrong (a server older than 7 among it). Not called if the link is closed or goes
 * down meanwhile (then the next on_connected tries again). */
void mu_library_ensure(struct mu_link *link,
                       void (*done)(void *context, const struct mu_error *error, bool loaded),
                       void *context);

#endif
