/* stored.h - the texts of functions/25_formats.lua, as far as reads need them. Private to
 * daemon/registry. Nothing is copied: what is taken apart points into the text.
 */
#ifndef MU_REGISTRY_STORED_H
#define MU_REGISTRY_STORED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "muster/types.h"

#define MU_OBJECT_DEPTH 64 /* the functions allow 32 */

/* Is it a JSON object in so far as whatever surrounds it stays what it is: one pair of braces
 * around all, everything inside closed in itself, texts without control bytes and in UTF-8? The
 * grammar inside was checked by the functions before it was stored; this is so that a damaged one
 * does not take the rest of an answer with it. */
bool mu_object_is_closed(const char *text, size_t length);

/* Decimal digits only, at most 19 of them. */
bool mu_whole_number(const char *text, size_t length, uint64_t *number);

struct mu_member {
    struct muster_text connection;
    struct muster_text instance;
    struct muster_text incarnation;
    struct muster_text user; /* length 0: anonymous */
    uint64_t joined_at;
    struct muster_text profile;
};

/* False when it is no member. The texts are not NUL-terminated. */
bool mu_member_parse(const char *text, size_t length, struct mu_member *member);

struct mu_record {
    uint64_t connected_at;
    struct muster_text user;     /* length 0: anonymous */
    struct muster_text holder;   /* of the quota it counts for; length 0: none */
    uint64_t until;              /* 0: present; otherwise away until then */
    struct muster_text sessions; /* separated by commas; may be empty */
    struct muster_text profile;
};

/* False when it is no record. The texts are not NUL-terminated. */
bool mu_record_parse(const char *text, size_t length, struct mu_record *record);

#endif
