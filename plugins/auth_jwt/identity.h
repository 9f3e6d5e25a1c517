/* identity.h - what the claims of a verified token say: when it counts, for whom, and who it is.
 * Pure: any thread. */
#ifndef JWT_IDENTITY_H
#define JWT_IDENTITY_H

#include <jansson.h>
#include <stdint.h>

#include "refusal.h"
#include "settings.h"
#include "text.h"

#define JWT_ROLES_MAX 64
#define JWT_PATTERNS_MAX 64

struct jwt_identity {
    char user[JWT_NAME_MAX + 1];
    enum muster_principal_kind kind;
    char instance[JWT_ID_MAX + 1]; /* empty: not bound */
    json_t *roles;                 /* a list of texts, or NULL: the role texts point into it */
    const char *role_names[JWT_ROLES_MAX];
    size_t role_count;
    char *claims;      /* JSON, or NULL: the configured ones, and the session patterns */
    uint64_t until_ms; /* Unix time; 0: for ever */
};

/* `now_ms`: Unix time. On JWT_ACCEPTED, and only then, *identity must be given to
 * jwt_identity_deinit(). `requested`: the user that the caller named for the end user, or NULL. */
enum jwt_refusal jwt_identity_read(const struct jwt_settings *settings, const json_t *claims,
                                   enum muster_purpose purpose, const char *requested,
                                   uint64_t now_ms, struct jwt_identity *identity);
/* Wipes it. */
void jwt_identity_deinit(struct jwt_identity *identity);

#endif
