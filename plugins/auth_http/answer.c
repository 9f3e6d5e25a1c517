#include "answer.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define DEPTH_MAX 32

/* ---- single members: what is missing is fine, what is of another type is not ---- */

static bool read_text(const json_t *object, const char *name, const char **out) {
    const json_t *value = json_object_get(object, name);
    *out = json_string_value(value);
    return value == NULL || *out != NULL;
}

static bool read_bound(const json_t *object, const char *name, uint32_t *out) {
    const json_t *value = json_object_get(object, name);
    json_int_t number = json_integer_value(value);
    if (value == NULL) {
        return true;
    }
    *out = (uint32_t)number;
    /* 0 would mean: no bound. */
    return json_is_integer(value) && number >= 1 && number <= UINT32_MAX;
}

/* The text of `claims` in *out, which the answer owns. */
static bool read_claims(struct http_answer *answer, const json_t *object, const char **out) {
    const json_t *value = json_object_get(object, "claims");
    if (value == NULL) {
        return true;
    }
    if (!json_is_object(value) || answer->claims != NULL) {
        return false;
    }
    answer->claims = json_dumps(value, JSON_COMPACT);
    *out = answer->claims;
    return answer->claims != NULL;
}

/* A typing error must not become an answer that says less than was meant. */
static bool knows_all(const json_t *object, const char *const names[]) {
    const char *name = NULL;
    json_t *value = NULL;
    json_object_foreach((json_t *)(uintptr_t)object, name, value) {
        size_t i = 0;
        while (names[i] != NULL && strcmp(names[i], name) != 0) {
            i++;
        }
        if (names[i] == NULL) {
            return false;
        }
    }
    return true;
}

static bool is_deeper_than(const json_t *value, int depth) {
    const char *name = NULL;
    json_t *item = NULL;
    size_t index = 0;
    if (depth == 0) {
        return json_is_object(value) || json_is_array(value);
    }
    /* Its own depth is bounded by `depth`. NOLINTBEGIN(misc-no-recursion) */
    json_object_foreach((json_t *)(uintptr_t)value, name, item) {
        if (is_deeper_than(item, depth - 1)) {
            return true;
        }
    }
    json_array_foreach(value, index, item) {
        if (is_deeper_than(item, depth - 1)) {
            return true;
        }
    } /* NOLINTEND(misc-no-recursion) */
    return false;
}

/* ---- the parts ---- */

static const char *read_verdict(struct http_answer *answer) {
    static const struct {
        const char *name;
        enum muster_verdict verdict;
    } verdicts[] = {{"allow", MUSTER_ALLOW}, {"deny", MUSTER_DENY}, {"defer", MUSTER_DEFER}};
    const char *text = json_string_value(json_object_get(answer->root, "decision"));
    for (size_t i = 0; text != NULL && i < sizeof verdicts / sizeof verdicts[0]; i++) {
        if (strcmp(verdicts[i].name, text) == 0) {
            answer->decision.verdict = verdicts[i].verdict;
            return NULL;
        }
    }
    return "no decision that is allow, deny or defer";
}

static const char *read_code(struct http_answer *answer) {
    static const struct {
        const char *name;
        enum muster_status code;
    } codes[] = {{"DENIED", MUSTER_DENIED},
                 {"UNAUTHENTICATED", MUSTER_UNAUTHENTICATED},
                 {"RATE_LIMITED", MUSTER_RATE_LIMITED}};
    const char *text = NULL;
    if (!read_text(answer->root, "code", &text)) {
        return "a code that is no text";
    }
    for (size_t i = 0; text != NULL && i < sizeof codes / sizeof codes[0]; i++) {
        if (strcmp(codes[i].name, text) == 0) {
            answer->decision.code = codes[i].code;
            return NULL;
        }
    }
    return text == NULL ? NULL : "a code that is none of DENIED, UNAUTHENTICATED, RATE_LIMITED";
}

static const char *read_ttl(struct http_answer *answer, uint64_t most_ms) {
    const json_t *value = json_object_get(answer->root, "ttl");
    double seconds = json_number_value(value);
    if (value == NULL) {
        return NULL;
    }
    if (!json_is_number(value) || !(seconds >= 0)) {
        return "a ttl that is no number of seconds";
    }
    /* Compared as a double: what is too large for an integer must not become a small one. */
    answer->decision.cache_ms =
        seconds * 1000 >= (double)most_ms ? most_ms : (uint64_t)(seconds * 1000);
    return NULL;
}

static const char *read_quota(struct http_answer *answer) {
    static const char *const names[] = {"connections", "sessions", "holder", NULL};
    const json_t *quota = json_object_get(answer->root, "quota");
    if (quota == NULL) {
        return NULL;
    }
    struct muster_decision *decision = &answer->decision;
    bool good = json_is_object(quota) && knows_all(quota, names) &&
                read_bound(quota, "connections", &decision->quota_connections) &&
                read_bound(quota, "sessions", &decision->quota_sessions) &&
                read_text(quota, "holder", &decision->quota_holder);
    return good ? NULL : "a quota that is none";
}

static bool read_kind(const json_t *object, enum muster_principal_kind *kind) {
    static const struct {
        const char *name;
        enum muster_principal_kind kind;
    } kinds[] = {{"instance", MUSTER_PRINCIPAL_INSTANCE},
                 {"user", MUSTER_PRINCIPAL_USER},
                 {"operator", MUSTER_PRINCIPAL_OPERATOR}};
    const char *text = json_string_value(json_object_get(object, "kind"));
    for (size_t i = 0; text != NULL && i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(kinds[i].name, text) == 0) {
            *kind = kinds[i].kind;
            return true;
        }
    }
    return false;
}

static bool read_roles(struct http_answer *answer, const json_t *object) {
    const json_t *roles = json_object_get(object, "roles");
    size_t count = json_array_size(roles);
    if (roles != NULL && (!json_is_array(roles) || count > HTTP_ROLES_MAX)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        answer->roles[i] = json_string_value(json_array_get(roles, i));
        if (answer->roles[i] == NULL) {
            return false;
        }
    }
    answer->principal.roles = answer->roles;
    answer->principal.role_count = count;
    return true;
}

static bool read_expiry(const json_t *object, uint64_t *out) {
    const json_t *value = json_object_get(object, "expires_at");
    json_int_t number = json_integer_value(value);
    *out = (uint64_t)number;
    /* 0 would mean: never. */
    return value == NULL || (json_is_integer(value) && number >= 1);
}

static const char *read_principal(struct http_answer *answer) {
    static const char *const names[] = {"id",     "kind",       "instance", "roles",
                                        "claims", "expires_at", NULL};
    const json_t *object = json_object_get(answer->root, "principal");
    struct muster_principal *principal = &answer->principal;
    if (object == NULL) {
        return NULL;
    }
    bool good = json_is_object(object) && knows_all(object, names) &&
                read_text(object, "id", &principal->id) && principal->id != NULL &&
                read_kind(object, &principal->kind) &&
                read_text(object, "instance", &principal->instance) && read_roles(answer, object) &&
                read_claims(answer, object, &principal->claims) &&
                read_expiry(object, &principal->expires_at);
    answer->decision.principal = principal;
    return good ? NULL : "a principal that is none";
}

static const char *read_user(struct http_answer *answer) {
    bool good = read_text(answer->root, "user", &answer->decision.user) &&
                read_claims(answer, answer->root, &answer->decision.claims);
    return good ? NULL : "a user that is no text, or claims that are no object";
}

/* What goes with which question. */
static const char *read_members(struct http_answer *answer, enum http_purpose purpose,
                                uint64_t cache_most_ms) {
    static const char *const of_authorize[] = {"decision", "reason", "code", "ttl", "quota", NULL};
    static const char *const of_caller[] = {"decision", "reason", "code", "ttl", "principal", NULL};
    static const char *const of_user[] = {"decision", "reason", "code", "ttl",
                                          "user",     "claims", NULL};
    static const char *const *const names[] = {of_authorize, of_caller, of_user};
    if (!json_is_object(answer->root)) {
        return "no object";
    }
    if (is_deeper_than(answer->root, DEPTH_MAX)) {
        return "deeper than 32 levels";
    }
    if (!knows_all(answer->root, names[purpose])) {
        return "a member that does not belong to the answer to this question";
    }
    if (!read_text(answer->root, "reason", &answer->decision.reason)) {
        return "a reason that is no text";
    }
    const char *wrong = read_verdict(answer);
    wrong = wrong == NULL ? read_code(answer) : wrong;
    wrong = wrong == NULL ? read_ttl(answer, cache_most_ms) : wrong;
    wrong = wrong == NULL ? read_quota(answer) : wrong;
    wrong = wrong == NULL ? read_principal(answer) : wrong;
    wrong = wrong == NULL ? read_user(answer) : wrong;
    if (wrong == NULL && purpose == HTTP_CALLER && answer->decision.verdict == MUSTER_ALLOW &&
        answer->decision.principal == NULL) {
        return "no principal";
    }
    return wrong;
}

bool http_answer_read(struct http_answer *answer, enum http_purpose purpose, const char *text,
                      size_t length, uint64_t cache_most_ms, const char **wrong) {
    *answer = (struct http_answer){0};
    *wrong = "no strict JSON";
    answer->root = json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL);
    if (answer->root == NULL) {
        return false;
    }
    *wrong = read_members(answer, purpose, cache_most_ms);
    if (*wrong != NULL) {
        http_answer_deinit(answer);
    }
    return *wrong == NULL;
}

void http_answer_deinit(struct http_answer *answer) {
    free(answer->claims);
    json_decref(answer->root);
    *answer = (struct http_answer){0};
}

bool http_is_json(const char *content_type) {
    static const char type[] = "application/json";
    if (content_type == NULL || strncasecmp(content_type, type, sizeof type - 1) != 0) {
        return false;
    }
    content_type += sizeof type - 1;
    content_type += strspn(content_type, " \t");
    return *content_type == '\0' || *content_type == ';';
}
