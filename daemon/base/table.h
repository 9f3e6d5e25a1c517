/* table.h - uthash with a seeded hash; include this, never <uthash.h> itself.
 *
 * uthash's own hash has no seed, so whoever chooses ids could choose them to collide. Ours is
 * SipHash with a key drawn once a process. That key is the one process-wide value of the daemon:
 * uthash's macros have no place for a context.
 *
 * Out of memory ends the process, as in alloc.h.
 */
#ifndef MU_BASE_TABLE_H
#define MU_BASE_TABLE_H

#include <stddef.h>

#include "base/alloc.h"

/* Draws the key. To be called at the start of a program, before its first table and its first
 * thread; a second call changes nothing, and a table that finds no key draws it. */
void mu_table_init(void);

unsigned mu_table_hash(const void *key, size_t length);

#define HASH_FUNCTION(keyptr, keylen, hashv)                                                       \
    do {                                                                                           \
        (hashv) = mu_table_hash((keyptr), (size_t)(keylen));                                       \
    } while (0)
#define uthash_malloc(size) mu_calloc(1, (size))

#include <uthash.h> /* IWYU pragma: export */

#ifdef __clang_analyzer__
/* The analyzer does not follow uthash's lists: it believes that what HASH_ITER comes to was freed
 * before. */
#undef HASH_DEL
#define HASH_DEL(head, delptr) ((head) = (delptr)->hh.next)
#endif

#endif
