/* principals.h - those whom the plugin knows by a token or a certificate. */
#ifndef RULES_PRINCIPALS_H
#define RULES_PRINCIPALS_H

#include "auth_rules/reader.h"
#include "auth_rules/token.h"

#define RULES_PRINCIPALS_MAX 100000
#define RULES_HASHES_MAX 8
#define RULES_ROLES_MAX 64

/* What a caller's claims say of how it was known: a part of the digest of what it showed. */
#define RULES_MARK_SIZE sizeof "{\"auth_rules\":\"0123456789abcdef\"}"

struct rules_mark {
    char text[RULES_MARK_SIZE]; /* JSON */
};

struct rules_principal {
    struct muster_principal shown; /* its texts are this struct's; without claims */
    char *name;
    char *instance;    /* NULL: not bound */
    char *certificate; /* subject; NULL: none */
    char **roles;
    struct rules_hash *hashes;
    size_t hash_count;
    struct rules_mark certified; /* of `certificate` */
    struct rules_mark *marks;    /* one a hash */
};

struct rules_principals {
    struct rules_principal *items; /* by name */
    size_t count;
    const struct rules_principal **certified; /* those with a certificate, by its subject */
    size_t certified_count;
};

extern const char *const rules_kinds[]; /* by enum muster_principal_kind; ends with NULL */

/* `node` is the mapping `principals`, or NULL. On an error nothing is left in `out`. */
enum muster_status rules_principals_read(struct rules_principals *out, struct rules_reader *reader,
                                         const struct muster_config *node);
void rules_principals_deinit(struct rules_principals *principals);

const struct rules_principal *rules_principals_find(const struct rules_principals *principals,
                                                    const char *name);

#define RULES_REASON_SIZE 256

struct rules_identity {
    const struct rules_principal *who; /* NULL: unless allowed */
    const struct rules_mark *mark;
    char reason[RULES_REASON_SIZE]; /* of a DENY */
};

/* Who is it? ALLOW, DENY with a reason, or DEFER when these are no credentials of this plugin's
 * kind. `now_ms` is Unix time. */
enum muster_verdict rules_identify(const struct rules_principals *principals,
                                   const struct muster_credentials *credentials, uint64_t now_ms,
                                   struct rules_identity *identity);

/* Is the caller still what it was when it was authenticated, maybe long ago and by an older
 * configuration? False: its principal has gone or has changed, or the token or the certificate that
 * it showed counts no longer. True for a caller whom another authenticator knew. */
bool rules_is_current(const struct rules_principals *principals,
                      const struct muster_principal *caller);

#endif
