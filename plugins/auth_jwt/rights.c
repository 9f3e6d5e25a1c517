#include "rights.h"

#include <stdio.h>
#include <string.h>

#include "refusal.h"
#include "text.h"

enum opinion { NO_PATTERNS, MATCHES, MATCHES_NOT, TOO_LATE };

/* Lowers *until_ms to when these claims end. */
static enum opinion judge(const json_t *rights, const char *session, uint64_t now_ms,
                          uint64_t *until_ms) {
    const json_t *patterns = json_object_get(rights, JWT_RIGHTS_SESSIONS);
    json_int_t until = json_integer_value(json_object_get(rights, JWT_RIGHTS_UNTIL));
    if (!json_is_array(patterns)) {
        return NO_PATTERNS;
    }
    if (until > 0 && (uint64_t)until < *until_ms) {
        *until_ms = (uint64_t)until;
    }
    if (until > 0 && now_ms >= (uint64_t)until) {
        return TOO_LATE;
    }
    for (size_t i = 0; i < json_array_size(patterns); i++) {
        const char *pattern = json_string_value(json_array_get(patterns, i));
        if (pattern != NULL && jwt_match(pattern, session)) {
            return MATCHES;
        }
    }
    return MATCHES_NOT;
}

static enum opinion read_and_judge(const char *claims, const char *session, uint64_t now_ms,
                                   uint64_t *until_ms) {
    json_t *object = NULL;
    /* Most claims have none, and need not be read for it. */
    if (claims == NULL || strstr(claims, "\"" JWT_RIGHTS_MEMBER "\"") == NULL ||
        jwt_json_read(claims, strlen(claims), &object) != JWT_JSON_FINE) {
        return NO_PATTERNS;
    }
    enum opinion opinion =
        judge(json_object_get(object, JWT_RIGHTS_MEMBER), session, now_ms, until_ms);
    jwt_json_release(&object);
    return opinion;
}

/* The channels `instances` and `coordinator` come as sessions, but tell of all of them. */
static bool is_about_a_session(enum muster_action action, const char *session) {
    return session != NULL &&
           (action != MUSTER_ACTION_EVENTS_SUBSCRIBE ||
            (strcmp(session, "instances") != 0 && strcmp(session, "coordinator") != 0));
}

enum muster_verdict jwt_rights(const struct jwt_settings *settings, const char *of_principal,
                               const char *of_end_user, enum muster_action action,
                               const char *session, uint64_t now_ms,
                               struct muster_decision *decision, char *sentence, size_t room) {
    uint64_t until_ms = UINT64_MAX;
    if ((settings->actions >> (unsigned)action & 1U) == 0 || !is_about_a_session(action, session)) {
        return MUSTER_DEFER;
    }
    enum opinion first = read_and_judge(of_principal, session, now_ms, &until_ms);
    enum opinion second = read_and_judge(of_end_user, session, now_ms, &until_ms);
    if (first == NO_PATTERNS && second == NO_PATTERNS) {
        return MUSTER_DEFER;
    }
    if (first == TOO_LATE || second == TOO_LATE) {
        decision->reason = jwt_refusal_sentence(JWT_REFUSED_EXPIRED);
        decision->code = MUSTER_UNAUTHENTICATED;
        return MUSTER_DENY;
    }
    decision->cache_ms =
        until_ms - now_ms < JWT_RIGHTS_CACHE_MS ? until_ms - now_ms : JWT_RIGHTS_CACHE_MS;
    if (first == MATCHES_NOT || second == MATCHES_NOT) {
        snprintf(sentence, room, "the token does not allow session '%.128s'", session);
        decision->reason = sentence;
        return MUSTER_DENY;
    }
    /* A subscription to `*` may be one to all sessions, or to the channels above as well. */
    return action == MUSTER_ACTION_EVENTS_SUBSCRIBE && strcmp(session, "*") == 0 ? MUSTER_DEFER
                                                                                 : MUSTER_ALLOW;
}
