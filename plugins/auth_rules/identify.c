/* identify.c - from credentials to a principal. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "auth_rules/alloc.h"
#include "auth_rules/principals.h"

static const struct rules_principal *find_certified(const struct rules_principals *principals,
                                                    const char *subject) {
    size_t low = 0;
    size_t high = principals->certified_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(subject, principals->certified[middle]->certificate);
        if (order == 0) {
            return principals->certified[middle];
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return NULL;
}

/* Every hash is tried, also after one that fits. A name that nobody has costs as much as one with a
 * single hash. */
static bool fits(const struct rules_principal *principal, const char *secret) {
    static const struct rules_hash nobody = {.salt_length = 16};
    bool found = false;
    for (size_t i = 0; principal != NULL && i < principal->hash_count; i++) {
        found = rules_hash_matches(&principal->hashes[i], secret) || found;
    }
    if (principal == NULL || principal->hash_count == 0) {
        (void)rules_hash_matches(&nobody, secret);
    }
    return found;
}

static enum muster_verdict refuse(char *reason, const char *sentence) {
    snprintf(reason, RULES_REASON_SIZE, "%s", sentence);
    return MUSTER_DENY;
}

static bool is_text(const struct muster_text *text, const char *other) {
    return strlen(other) == text->length && memcmp(text->data, other, text->length) == 0;
}

static enum muster_verdict expired(const struct rules_principal *principal, char *reason) {
    time_t seconds = (time_t)(principal->shown.expires_at / 1000);
    char when[32] = "";
    struct tm utc;
    if (gmtime_r(&seconds, &utc) != NULL) {
        strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &utc);
    }
    snprintf(reason, RULES_REASON_SIZE, "the credentials of '%.128s' expired at %s",
             principal->name, when);
    return MUSTER_DENY;
}

enum muster_verdict rules_identify(const struct rules_principals *principals,
                                   const struct muster_credentials *credentials, uint64_t now_ms,
                                   const struct rules_principal **who, char *reason) {
    const struct rules_principal *found = NULL;
    bool end_user = credentials->purpose == MUSTER_PURPOSE_END_USER;
    if (credentials->token.data != NULL) {
        struct rules_token token;
        if (!rules_token_split(credentials->token.data, credentials->token.length, &token)) {
            return MUSTER_DEFER;
        }
        found = rules_principals_find(principals, token.name);
        if (!fits(found, token.secret)) {
            return refuse(reason, "the token is not valid");
        }
    } else if (credentials->certificate != NULL && !end_user) {
        found = find_certified(principals, credentials->certificate);
    }
    if (found == NULL) {
        return MUSTER_DEFER;
    }
    if (credentials->user.data != NULL && !is_text(&credentials->user, found->name)) {
        return refuse(reason, "the credentials are not those of this user");
    }
    if (end_user && found->shown.kind != MUSTER_PRINCIPAL_USER) {
        return refuse(reason, "the token is not an end user's");
    }
    if (end_user && credentials->requested_user != NULL &&
        strcmp(credentials->requested_user, found->name) != 0) {
        return refuse(reason, "the token is not that of the user in the options");
    }
    if (found->shown.expires_at != 0 && now_ms >= found->shown.expires_at) {
        return expired(found, reason);
    }
    *who = found;
    return MUSTER_ALLOW;
}
