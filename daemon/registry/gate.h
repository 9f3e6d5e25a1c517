/* gate.h - lets only some large reads be under way at Redis at once. Private to daemon/registry.
 *
 * Redis keeps a reply in memory until the daemon has read it. Sixty lists of a thousand members
 * that are asked for in one write make it hold, and touch, a dozen megabytes, and cost it ten times
 * the time of the same lists a few at a time. So who wants much waits for its turn, in the order of
 * coming.
 *
 * Ways to fail: who waited MU_GATE_WAIT_MS is told UNAVAILABLE (nothing was asked). What is under
 * way ends in the link's time, and its end lets the next ones in, also while the link is closing:
 * those fail at once then, so nobody is left behind.
 */
#ifndef MU_REGISTRY_GATE_H
#define MU_REGISTRY_GATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MU_GATE_FIELDS 2048 /* of hashes under way at once; a larger one goes alone */
#define MU_GATE_WAIT_MS 5000
#define MU_GATE_BITS 4096 /* sessions whose size is remembered; a power of two */

struct mu_read;

struct mu_gate {   /* all zero at first */
    size_t fields; /* under way */
    struct mu_read *first, *last;
    bool opening; /* mu_gate_leave() is at work further up */
    uint64_t large[MU_GATE_BITS / 64];
};

/* Calls start(read) now, or when it is its turn. The read has sent nothing that is still
 * unanswered. */
void mu_gate_enter(struct mu_gate *gate, struct mu_read *read, size_t fields,
                   void (*start)(struct mu_read *read));
/* A read that had come in is over: `fields` as it entered. */
void mu_gate_leave(struct mu_gate *gate, size_t fields);

/* Was the session large when it was last asked for? A hint: several sessions share a bit, and it
 * changed since. A wrong one costs Redis some time, and nothing else. */
void mu_gate_remember(struct mu_gate *gate, const char *session, bool large);
bool mu_gate_remembers(const struct mu_gate *gate, const char *session);

#endif
