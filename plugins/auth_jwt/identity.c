#include "identity.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rights.h"

#define TIME_MAX_MS 9007199254740991.0 /* 2^53 - 1, far from now */

/* ---- when ---- */

/* A NumericDate (RFC 7519, 2), in ms. */
static enum jwt_refusal read_time(const json_t *claims, const char *name, bool *there,
                                  uint64_t *ms) {
    const json_t *value = json_object_get(claims, name);
    *there = value != NULL;
    *ms = 0;
    if (value == NULL) {
        return JWT_ACCEPTED;
    }
    if (!json_is_number(value)) {
        return JWT_REFUSED_BAD_TIME;
    }
    double exact = json_number_value(value) * 1000.0;
    *ms = exact <= 0 ? 0 : exact >= TIME_MAX_MS ? (uint64_t)TIME_MAX_MS : (uint64_t)exact;
    return JWT_ACCEPTED;
}

static enum jwt_refusal check_times(const struct jwt_settings *settings, const json_t *claims,
                                    uint64_t now_ms, uint64_t *until_ms) {
    bool expires = false;
    bool begins = false;
    uint64_t expiry = 0;
    uint64_t begin = 0;
    enum jwt_refusal refusal = read_time(claims, "exp", &expires, &expiry);
    if (refusal == JWT_ACCEPTED) {
        refusal = read_time(claims, "nbf", &begins, &begin);
    }
    if (refusal != JWT_ACCEPTED) {
        return refusal;
    }
    if (!expires && settings->require_expiry) {
        return JWT_REFUSED_NO_EXPIRY;
    }
    if (expires && now_ms >= expiry + settings->leeway_ms) {
        return JWT_REFUSED_EXPIRED;
    }
    if (begins && now_ms + settings->leeway_ms < begin) {
        return JWT_REFUSED_NOT_YET;
    }
    *until_ms = expires ? expiry + settings->leeway_ms : 0;
    return JWT_ACCEPTED;
}

/* ---- by whom and for whom ---- */

static bool lists(const struct jwt_list *list, const json_t *text) {
    for (size_t i = 0; json_is_string(text) && i < list->count; i++) {
        if (strcmp(list->items[i], json_string_value(text)) == 0) {
            return true;
        }
    }
    return false;
}

/* A token for others is refused also when no audience is configured (RFC 7519, 4.1.3). */
static bool is_for_us(const struct jwt_settings *settings, const json_t *audience) {
    if (settings->audiences.count == 0) {
        return audience == NULL;
    }
    for (size_t i = 0; i < json_array_size(audience); i++) {
        if (lists(&settings->audiences, json_array_get(audience, i))) {
            return true;
        }
    }
    return lists(&settings->audiences, audience);
}

/* ---- who ---- */

static const char *text_at(const json_t *claims, const char *path) {
    return path != NULL ? json_string_value(jwt_json_claim(claims, path)) : NULL;
}

static enum jwt_refusal read_user(const struct jwt_settings *settings, const json_t *claims,
                                  enum muster_purpose purpose, const char *requested,
                                  struct jwt_identity *identity) {
    const char *user = text_at(claims, settings->user);
    if (user == NULL || user[0] == '\0') {
        return JWT_REFUSED_NO_USER;
    }
    if (purpose == MUSTER_PURPOSE_END_USER ? !jwt_is_id(user) : !jwt_is_name(user)) {
        return JWT_REFUSED_BAD_USER;
    }
    if (purpose == MUSTER_PURPOSE_END_USER && requested != NULL && strcmp(requested, user) != 0) {
        return JWT_REFUSED_OTHER_USER;
    }
    snprintf(identity->user, sizeof identity->user, "%s", user);
    return JWT_ACCEPTED;
}

static enum jwt_refusal read_kind(const struct jwt_settings *settings, const json_t *claims,
                                  struct jwt_identity *identity) {
    const json_t *kind = settings->kind != NULL ? jwt_json_claim(claims, settings->kind) : NULL;
    identity->kind = settings->fixed_kind;
    if (kind != NULL &&
        (!json_is_string(kind) || !jwt_kind_read(json_string_value(kind), &identity->kind))) {
        return JWT_REFUSED_BAD_KIND;
    }
    return JWT_ACCEPTED;
}

/* One of an instance that names none could speak for every instance. */
static enum jwt_refusal read_instance(const struct jwt_settings *settings, const json_t *claims,
                                      struct jwt_identity *identity) {
    const json_t *instance =
        settings->instance != NULL ? jwt_json_claim(claims, settings->instance) : NULL;
    if (instance == NULL) {
        return settings->instance != NULL && identity->kind == MUSTER_PRINCIPAL_INSTANCE
                   ? JWT_REFUSED_NO_INSTANCE
                   : JWT_ACCEPTED;
    }
    if (!json_is_string(instance) || !jwt_is_id(json_string_value(instance))) {
        return JWT_REFUSED_BAD_INSTANCE;
    }
    snprintf(identity->instance, sizeof identity->instance, "%s", json_string_value(instance));
    return JWT_ACCEPTED;
}

/* A list of texts, as it is; or one text of words (as `scope` of OAuth is). The caller's; NULL: it
 * is neither. */
static json_t *read_words(const json_t *value) {
    json_t *list = json_array();
    if (json_is_string(value)) {
        for (const char *at = json_string_value(value); *at != '\0';) {
            size_t length = strcspn(at, " ");
            if (length > 0) {
                json_array_append_new(list, json_stringn(at, length));
            }
            at += length + (at[length] == ' ' ? 1 : 0);
        }
        return list;
    }
    for (size_t i = 0; i < json_array_size(value); i++) {
        const json_t *word = json_array_get(value, i);
        if (!json_is_string(word)) {
            jwt_json_release(&list);
            return NULL;
        }
        json_array_append_new(list, json_string(json_string_value(word)));
    }
    if (!json_is_array(value)) {
        jwt_json_release(&list);
    }
    return list;
}

static enum jwt_refusal read_roles(const struct jwt_settings *settings, const json_t *claims,
                                   struct jwt_identity *identity) {
    const json_t *roles = settings->roles != NULL ? jwt_json_claim(claims, settings->roles) : NULL;
    if (roles == NULL) {
        return JWT_ACCEPTED;
    }
    identity->roles = read_words(roles);
    if (identity->roles == NULL || json_array_size(identity->roles) > JWT_ROLES_MAX) {
        return JWT_REFUSED_BAD_ROLES;
    }
    for (size_t i = 0; i < json_array_size(identity->roles); i++) {
        const char *role = json_string_value(json_array_get(identity->roles, i));
        if (!jwt_is_name(role)) {
            return JWT_REFUSED_BAD_ROLES;
        }
        identity->role_names[identity->role_count++] = role;
    }
    return JWT_ACCEPTED;
}

/* ---- the claims that go on ---- */

/* Adds the patterns; none are in *out when the token has no such claim. */
static enum jwt_refusal add_patterns(const struct jwt_settings *settings, const json_t *claims,
                                     uint64_t until_ms, json_t *out) {
    const json_t *claim =
        settings->sessions != NULL ? jwt_json_claim(claims, settings->sessions) : NULL;
    if (claim == NULL) {
        return JWT_ACCEPTED;
    }
    json_t *patterns = read_words(claim);
    bool good = patterns != NULL && json_array_size(patterns) <= JWT_PATTERNS_MAX;
    for (size_t i = 0; good && i < json_array_size(patterns); i++) {
        good = jwt_is_pattern(json_string_value(json_array_get(patterns, i)));
    }
    if (!good) {
        jwt_json_release(&patterns);
        return JWT_REFUSED_BAD_SESSIONS;
    }
    json_object_set_new(out, JWT_RIGHTS_MEMBER,
                        json_pack("{s:o, s:I}", JWT_RIGHTS_SESSIONS, patterns, JWT_RIGHTS_UNTIL,
                                  (json_int_t)until_ms));
    return JWT_ACCEPTED;
}

static enum jwt_refusal write_claims(const struct jwt_settings *settings, const json_t *claims,
                                     struct jwt_identity *identity) {
    json_t *out = json_object();
    enum jwt_refusal refusal = add_patterns(settings, claims, identity->until_ms, out);
    for (size_t i = 0; i < settings->profile.count; i++) {
        const json_t *value = jwt_json_claim(claims, settings->profile.items[i]);
        if (value != NULL) {
            json_object_set_new(out, settings->profile.items[i], json_deep_copy(value));
        }
    }
    if (refusal == JWT_ACCEPTED && json_object_size(out) > 0) {
        identity->claims = json_dumps(out, JSON_COMPACT);
        refusal = identity->claims != NULL ? JWT_ACCEPTED : JWT_REFUSED_NO_MEMORY;
    }
    jwt_json_release(&out);
    return refusal;
}

/* ---- all of it ---- */

enum jwt_refusal jwt_identity_read(const struct jwt_settings *settings, const json_t *claims,
                                   enum muster_purpose purpose, const char *requested,
                                   uint64_t now_ms, struct jwt_identity *identity) {
    *identity = (struct jwt_identity){0};
    enum jwt_refusal refusal = check_times(settings, claims, now_ms, &identity->until_ms);
    if (refusal == JWT_ACCEPTED && settings->issuers.count > 0 &&
        !lists(&settings->issuers, json_object_get(claims, "iss"))) {
        refusal = JWT_REFUSED_ISSUER;
    }
    if (refusal == JWT_ACCEPTED && !is_for_us(settings, json_object_get(claims, "aud"))) {
        refusal = JWT_REFUSED_AUDIENCE;
    }
    if (refusal == JWT_ACCEPTED) {
        refusal = read_user(settings, claims, purpose, requested, identity);
    }
    if (refusal == JWT_ACCEPTED && purpose == MUSTER_PURPOSE_CALLER) {
        refusal = read_kind(settings, claims, identity);
    }
    if (refusal == JWT_ACCEPTED && purpose == MUSTER_PURPOSE_CALLER) {
        refusal = read_instance(settings, claims, identity);
    }
    if (refusal == JWT_ACCEPTED && purpose == MUSTER_PURPOSE_CALLER) {
        refusal = read_roles(settings, claims, identity);
    }
    if (refusal == JWT_ACCEPTED) {
        refusal = write_claims(settings, claims, identity);
    }
    if (refusal != JWT_ACCEPTED) {
        jwt_identity_deinit(identity);
    }
    return refusal;
}

void jwt_identity_deinit(struct jwt_identity *identity) {
    jwt_json_release(&identity->roles);
    if (identity->claims != NULL) {
        jwt_wipe_free(&identity->claims, strlen(identity->claims));
    }
    explicit_bzero(identity, sizeof *identity);
}
