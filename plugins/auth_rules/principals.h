/* principals.h - those whom the plugin knows by a token or a certificate. */
#ifndef RULES_PRINCIPALS_H
#define RULES_PRINCIPALS_H

#include "auth_rules/reader.h"
#include "auth_rules/token.h"

#define RULES_PRINCIPALS_MAX 100000
#define RULES_HASHES_MAX 8
#define RULES_ROLES_MAX 64

struct rules_principal {
    struct muster_principal shown; /* its texts are this struct's */
    char *name;
    char *instance;    /* NULL: not bound */
    char *certificate; /* subject; NULL: none */
    char **roles;
    struct rules_hash *hashes;
    size_t hash_count;
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

/* Who is it? ALLOW with *who; DENY with a sentence in `reason` (RULES_REASON_SIZE) and *code; DEFER
 * when these are no credentials of this plugin's kind. `now_ms` is Unix time. */
#define RULES_REASON_SIZE 256
enum muster_verdict rules_identify(const struct rules_principals *principals,
                                   const struct muster_credentials *credentials, uint64_t now_ms,
                                   const struct rules_principal **who, char *reason);

#endif
