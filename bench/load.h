/* load.h - the connections that benchmarks enter, by muster's ENTER and by the bare commands of the
 * same layout (reference.h has a third way).
 *
 * Connection i is in session i % sessions; its instances are dealt out so that the members of a
 * session live on different ones. Ids have constant length and all connections the same length of
 * profile (60 bytes), so bytes and microseconds a connection can be compared.
 */
#ifndef MB_LOAD_H
#define MB_LOAD_H

#include <stddef.h>

#include "server.h"

#define MB_NAMESPACE "bench"
#define MB_KEY "{" MB_NAMESPACE "}"
#define MB_NS MB_KEY ":"
#define MB_INCARNATION "k3f9x2ab"

enum { MB_DEPTH = 64 }; /* operations in flight */

struct mb_load {
    size_t connections;
    size_t sessions;
    size_t instances;
};

enum { MB_NAME = 32, MB_LONG = 512 };

struct mb_names {
    char connection[MB_NAME];
    char session[MB_NAME];
    char instance[MB_NAME];
    char profile[MB_NAME + 64];
    size_t position; /* how many joined this session before */
};

void mb_load_names(const struct mb_load *load, size_t index, struct mb_names *names);
void mb_instance_name(size_t number, char name[MB_NAME]);

/* Each `issue` of mb_pipe_run(); the context is the load (not const by the callback's type). */
void mb_enter(struct mb_pipe *pipe, size_t index, void *load);
/* What ENTER writes and publishes, as plain commands: not atomic, nothing read, nothing checked. */
void mb_bare_enter(struct mb_pipe *pipe, size_t index, void *load);
/* The same with the three reads without which no client could know what to write: is the instance
 * still this incarnation, is the connection known, and what does the session hold? */
void mb_bare_read_enter(struct mb_pipe *pipe, size_t index, void *load);
/* The same seven to ten commands from inside of one function, which gets every key and text ready
 * made and checks nothing: the least that an atomic ENTER of this layout can cost. */
void mb_least_load(struct mb_pipe *pipe);
void mb_least_enter(struct mb_pipe *pipe, size_t index, void *load);
/* The same for the removal of a connection whose instance died; the last of a session closes it. */
void mb_bare_remove(struct mb_pipe *pipe, size_t index, void *load);

#endif
