/* looks.h - one pass of looks over a whole namespace: what to ask muster_look next, and what its
 * answers mean. Pure: it sends nothing and reads no clock; musterctl fsck asks synchronously, the
 * coordinator's scrub through its fence.
 *
 * The happy path: begin - next - (ask) - take - next - … - DONE. Each answer adds what must be
 * looked at besides; that is looked at first, so what is kept is no more than a page for each of a
 * few levels, however large the namespace is.
 *
 * A finding of a walk is a *suspect*: the thing is looked at again, by itself, `again_ms` later,
 * and only what is still so is told to `on_finding`. A code that waits is told when it has been so,
 * without progress, for `patience_ms`. The number of suspects is bounded: when it is reached, the
 * pass stands still until some of them are settled.
 *
 * Ways to fail: no answer (mu_looks_skip: the rest of this walk is left out of the pass and counted
 * in `skipped`); an answer of another shape (the same).
 */
#ifndef MU_REGISTRY_LOOKS_H
#define MU_REGISTRY_LOOKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "registry/findings.h"

/* The walks of one pass begin with these kinds; the others come from answers. The name "-" stands
 * where a kind needs none. */
#define MU_LOOKS_RECOUNT "recount" /* for the caller itself: a session too large for one look */

struct mu_looks_finding {
    const struct mu_finding_info *info;
    const char *kind; /* with `name`: what to give to muster_repair */
    const char *name;
    const char *key; /* without the namespace, escaped */
    const char *what;
};

struct mu_looks_options {
    uint64_t again_ms;
    uint64_t patience_ms;
    size_t suspects_max;
    void *context;
    void (*on_finding)(void *context, const struct mu_looks_finding *finding);
};

/* Valid until the next call of mu_looks_take(), mu_looks_skip() or mu_looks_begin(). */
struct mu_looks_question {
    const char *kind;
    const char *name;
    const char *cursor;
};

enum mu_looks_step {
    MU_LOOKS_ASK,  /* `question` is to be answered by mu_looks_take() or mu_looks_skip() */
    MU_LOOKS_WAIT, /* nothing before `*wait_until` */
    MU_LOOKS_DONE, /* the pass is complete */
};

struct mu_looks;

struct mu_looks *mu_looks_create(const struct mu_looks_options *options);
void mu_looks_destroy(struct mu_looks **looks);

/* Forgets everything and begins a pass. */
void mu_looks_begin(struct mu_looks *looks);
/* Times in ms of any clock, always the same. */
enum mu_looks_step mu_looks_next(struct mu_looks *looks, uint64_t now,
                                 struct mu_looks_question *question, uint64_t *wait_until);
/* The answer of muster_look. False: it has another shape, and counts as skipped. */
bool mu_looks_take(struct mu_looks *looks, uint64_t now, const char *json, size_t length);
void mu_looks_skip(struct mu_looks *looks);
/* The question was not sent: it comes again. */
void mu_looks_put_back(struct mu_looks *looks);
/* The question was the caller's own (MU_LOOKS_RECOUNT), and is done with. */
void mu_looks_leave(struct mu_looks *looks);

/* Of this pass so far. `invariant` from 1 to 9. */
uint64_t mu_looks_checked(const struct mu_looks *looks, int invariant);
void mu_looks_count(struct mu_looks *looks, int invariant, uint64_t number);
uint64_t mu_looks_skipped(const struct mu_looks *looks);
/* How much of its budget the last answer used. */
unsigned mu_looks_looked(const struct mu_looks *looks);

#endif
