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
 * single hash. NULL: none fits. */
static const struct rules_mark *find_mark(const struct rules_principal *principal,
                                          const char *secret) {
    static const struct rules_hash nobody = {.salt_length = 16};
    const struct rules_mark *found = NULL;
    for (size_t i = 0; principal != NULL && i < principal->hash_count; i++) {
        if (rules_hash_matches(&principal->hashes[i], secret)) {
            found = &principal->marks[i];
        }
    }
    if (principal == NULL || principal->hash_count == 0) {
        (void)rules_hash_matches(&nobody, secret);
    }
    return found;
}

static enum muster_verdict refuse(struct rules_identity *identity, const char *sentence) {
    snprintf(identity->reason, RULES_REASON_SIZE, "%s", sentence);
    return MUSTER_DENY;
}

static bool is_text(const struct muster_text *text, const char *other) {
    return strlen(other) == text->length && memcmp(text->data, other, text->length) == 0;
}

static enum muster_verdict expired(struct rules_identity *identity,
                                   const struct rules_principal *principal) {
    time_t seconds = (time_t)(principal->shown.expires_at / 1000);
    char when[32] = "";
    struct tm utc;
    if (gmtime_r(&seconds, &utc) != NULL) {
        strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &utc);
    }
    snprintf(identity->reason, RULES_REASON_SIZE, "the credentials of '%.128s' expired at %s",
             principal->name, when);
    return MUSTER_DENY;
}

enum muster_verdict rules_identify(const struct rules_principals *principals,
                                   const struct muster_credentials *credentials, uint64_t now_ms,
                                   struct rules_identity *identity) {
    const struct rules_principal *found = NULL;
    const struct rules_mark *mark = NULL;
    memset(identity, 0, sizeof *identity);
    bool end_user = credentials->purpose == MUSTER_PURPOSE_END_USER;
    if (credentials->token.data != NULL) {
        struct rules_token token;
        if (!rules_token_split(credentials->token.data, credentials->token.length, &token)) {
            return MUSTER_DEFER;
        }
        found = rules_principals_find(principals, token.name);
        mark = find_mark(found, token.secret);
        if (mark == NULL) {
            return refuse(identity, "the token is not valid");
        }
    } else if (credentials->certificate != NULL && !end_user) {
        found = find_certified(principals, credentials->certificate);
        mark = found != NULL ? &found->certified : NULL;
    }
    if (found == NULL) {
        return MUSTER_DEFER;
    }
    if (credentials->user.data != NULL && !is_text(&credentials->user, found->name)) {
        return refuse(identity, "the credentials are not those of this user");
    }
    if (end_user && found->shown.kind != MUSTER_PRINCIPAL_USER) {
        return refuse(identity, "the token is not an end user's");
    }
    if (end_user && credentials->requested_user != NULL &&
        strcmp(credentials->requested_user, found->name) != 0) {
        return refuse(identity, "the token is not that of the user in the options");
    }
    if (found->shown.expires_at != 0 && now_ms >= found->shown.expires_at) {
        return expired(identity, found);
    }
    identity->who = found;
    identity->mark = mark;
    return MUSTER_ALLOW;
}

/* ---- callers from before ---- */

static bool is_ours(const char *claims) {
    static const char begin[] = "{\"auth_rules\":\"";
    return claims != NULL && strncmp(claims, begin, sizeof begin - 1) == 0 &&
           strlen(claims) == RULES_MARK_SIZE - 1;
}

static bool still_counts(const struct rules_principal *principal, const char *claims) {
    bool found = principal->certificate != NULL && strcmp(principal->certified.text, claims) == 0;
    for (size_t i = 0; i < principal->hash_count; i++) {
        found = found || strcmp(principal->marks[i].text, claims) == 0;
    }
    return found;
}

static bool same_text(const char *one, const char *other) {
    return one == other || (one != NULL && other != NULL && strcmp(one, other) == 0);
}

static bool same_roles(const struct muster_principal *one, const struct muster_principal *other) {
    bool same = one->role_count == other->role_count;
    for (size_t i = 0; same && i < one->role_count; i++) {
        same = strcmp(one->roles[i], other->roles[i]) == 0;
    }
    return same;
}

bool rules_is_current(const struct rules_principals *principals,
                      const struct muster_principal *caller) {
    if (!is_ours(caller->claims)) {
        return true;
    }
    const struct rules_principal *now = rules_principals_find(principals, caller->id);
    return now != NULL && still_counts(now, caller->claims) && now->shown.kind == caller->kind &&
           now->shown.expires_at == caller->expires_at &&
           same_text(now->shown.instance, caller->instance) && same_roles(&now->shown, caller);
}
