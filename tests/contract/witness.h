/* witness.h - are secrets kept? Looks for them in a daemon's log, in Redis, in what Redis is told
 * and in what is published, and in the memory of the daemon.
 *
 * The last MT_WITNESS_TAIL bytes of each secret are looked for: memory that was freed without being
 * overwritten loses its first bytes only.
 */
#ifndef MT_WITNESS_H
#define MT_WITNESS_H

#include "contract/contract.h"

#define MT_WITNESS_TAIL 16

struct mt_witness;

/* Hears from now on what Redis is told (MONITOR) and what is published. */
struct mt_witness *mt_witness_create(struct mt_stand *stand);
void mt_witness_destroy(struct mt_witness **witness);

/* MT_WITNESS_TAIL random letters and digits, which nothing else holds; lives as long as the stand.
 */
const char *mt_witness_mark(struct mt_witness *witness);
/* A secret. `told`: Redis is told it with a call of a function, as a resume secret is; else only
 * with a request on the channel `request`, by the requester itself. */
void mt_witness_keep(struct mt_witness *witness, const char *secret, bool told);
/* Fails when one is found; at least one that is told must have been told. Memory is not looked at
 * in builds with sanitizers, which keep what was freed. */
void mt_witness_judge(struct mt_witness *witness, const struct mt_process *daemon);

#endif
