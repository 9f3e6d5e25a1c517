/* text.h - member JSON as it is stored, read strictly.
 *
 * Written from docs/ARCHITECTURE.md, not from the functions library: a checker that shared code
 * with what it checks would share its mistakes.
 */
#ifndef MU_CTL_FSCK_TEXT_H
#define MU_CTL_FSCK_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A slice of somebody else's bytes; not NUL-terminated. */
struct mu_slice {
    const char *at;
    size_t length;
};

/* One strict JSON object: RFC 8259, valid UTF-8, at most 32 deep, nothing before or behind it. */
bool mu_json_object_valid(const char *text, size_t length);

struct mu_member {
    struct mu_slice connection;
    struct mu_slice instance;
    struct mu_slice incarnation;
    struct mu_slice user; /* length 0: anonymous */
    uint64_t joined_at;
    int priority;
    bool leads_never;
    bool away;
    uint64_t rank; /* of an away member; 0: not given */
};

/* False: `wrong` says what (static storage). */
bool mu_member_parse(const char *text, size_t length, struct mu_member *member, const char **wrong);

#endif
