/* What auth_jwt reads: tokens of strangers; header and claims of a token whose signature holds, so
 * that an issuer's mistakes are tried as well; files of keys; session patterns, against the plain
 * recursive definition of what they match. The first byte says which:
 *   t token   s header, a newline, claims   k JWKS   m pattern, a newline, value */
#include <stdlib.h>
#include <string.h>

#include "auth_jwt/rights.h"
#include "auth_jwt/token.h"
#include "fuzz/fuzz.h"
#include "tokens/tokens.h"

#define NOW UINT64_C(1790000000000)
#define SECRET "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define MATCHED_MAX 24 /* bytes: the definition takes exponential time */

/* Asserts are off in nobody's build, but a fuzz target does not depend on that. */
static void demand(int fine) {
    if (!fine)
        abort();
}

static const struct jwt_settings settings = {
    .algorithms = UINT32_MAX,
    .issuers = {{"id"}, 1},
    .audiences = {{"muster"}, 1},
    .leeway_ms = 1000,
    .require_expiry = true,
    .max_token = 3000,
    .user = "sub",
    .kind = "kind",
    .fixed_kind = MUSTER_PRINCIPAL_USER,
    .instance = "node",
    .roles = "realm.roles",
    .sessions = "sessions",
    .profile = {{"name", "a.b"}, 2},
    .actions = UINT32_MAX,
};

/* ---- tokens ---- */

static void check_claims(const char *claims) {
    json_t *json = NULL;
    struct muster_decision decision = {0};
    char sentence[200];
    demand(jwt_json_read(claims, strlen(claims), &json) == JWT_JSON_FINE);
    const char *name = NULL;
    json_t *value = NULL;
    json_object_foreach(json, name, value) {
        demand(strcmp(name, "auth_jwt") == 0 || strcmp(name, "name") == 0 ||
               strcmp(name, "a.b") == 0);
    }
    const json_t *patterns =
        json_object_get(json_object_get(json, JWT_RIGHTS_MEMBER), JWT_RIGHTS_SESSIONS);
    demand(json_array_size(patterns) <= JWT_PATTERNS_MAX);
    enum muster_verdict verdict =
        jwt_rights(&settings, claims, NULL, MUSTER_ACTION_SESSION_ENTER, "team-42-a", NOW,
                   &decision, sentence, sizeof sentence);
    demand((verdict == MUSTER_DEFER) == (patterns == NULL));
    jwt_json_release(&json);
}

static void check_identity(const struct jwt_identity *identity, enum muster_purpose purpose) {
    demand(purpose == MUSTER_PURPOSE_END_USER ? jwt_is_id(identity->user)
                                              : jwt_is_name(identity->user));
    demand(identity->until_ms > NOW);
    demand(identity->kind != MUSTER_PRINCIPAL_INSTANCE || identity->instance[0] != '\0');
    demand(identity->instance[0] == '\0' || jwt_is_id(identity->instance));
    demand(identity->role_count <= JWT_ROLES_MAX);
    for (size_t i = 0; i < identity->role_count; i++)
        demand(jwt_is_name(identity->role_names[i]));
    if (identity->claims != NULL)
        check_claims(identity->claims);
}

static enum jwt_refusal verify(const struct jwt_keys *keys, const char *token, size_t length) {
    enum jwt_refusal refusal = JWT_ACCEPTED;
    for (int i = 0; i < 2; i++) {
        enum muster_purpose purpose = i == 0 ? MUSTER_PURPOSE_CALLER : MUSTER_PURPOSE_END_USER;
        struct jwt_identity identity;
        refusal = jwt_token_verify(&settings, keys, token, length, purpose, NULL, NOW, &identity);
        demand((unsigned)refusal < JWT_REFUSALS);
        demand((refusal == JWT_ACCEPTED) == (jwt_refusal_sentence(refusal) == NULL));
        if (refusal == JWT_ACCEPTED) {
            demand(jwt_token_is_one(token, length));
            check_identity(&identity, purpose);
            jwt_identity_deinit(&identity);
        }
    }
    return refusal;
}

static struct jwt_keys *read_secret(const struct mt_signer *signer) {
    char *set = mt_jwks(mt_signer_jwk(signer, NULL));
    char wrong[200];
    struct jwt_keys *keys = jwt_keys_read(set, strlen(set), wrong, sizeof wrong);
    demand(keys != NULL);
    free(set);
    return keys;
}

/* Nobody guesses a signature. */
static void try_token(const char *text, size_t length) {
    struct mt_signer *signer = mt_signer_create("HS256", NULL);
    struct jwt_keys *keys = read_secret(signer);
    (void)jwt_token_is_one(text, length);
    demand(verify(keys, text, length) != JWT_ACCEPTED);
    jwt_keys_unref(&keys);
    mt_signer_destroy(&signer);
}

static void try_signed(const char *text) {
    struct mt_signer *signer = mt_signer_secret("HS256", NULL, SECRET, sizeof SECRET - 1);
    struct jwt_keys *keys = read_secret(signer);
    char *header = strdup(text);
    demand(header != NULL);
    char *claims = strchr(header, '\n');
    if (claims != NULL)
        *claims++ = '\0';
    char *token = mt_token_sign(signer, header, claims != NULL ? claims : "");
    (void)verify(keys, token, strlen(token));
    free(token);
    free(header);
    jwt_keys_unref(&keys);
    mt_signer_destroy(&signer);
}

/* ---- keys ---- */

static void try_keys(const char *text, size_t length) {
    char wrong[200] = "";
    struct jwt_fitting fitting;
    struct jwt_keys *keys = jwt_keys_read(text, length, wrong, sizeof wrong);
    demand((keys == NULL) == (wrong[0] != '\0') && strlen(wrong) < sizeof wrong);
    if (keys == NULL)
        return;
    demand(keys->count > 0 && keys->count <= JWT_KEYS_MAX);
    for (size_t i = 0; i < keys->count; i++) {
        enum jwt_refusal refusal =
            jwt_keys_find(keys, keys->keys[i].kid, jwt_algorithm_find("RS256"), &fitting);
        demand((refusal == JWT_ACCEPTED) ==
               (fitting.count > 0 && fitting.count <= JWT_FITTING_MAX &&
                refusal != JWT_REFUSED_AMBIGUOUS));
        for (size_t j = 0; refusal == JWT_ACCEPTED && j < fitting.count; j++)
            demand(fitting.keys[j]->type == JWT_KEY_RSA && fitting.keys[j]->bits >= 2048);
    }
    jwt_keys_unref(&keys);
}

/* ---- patterns ---- */

static bool matches(const char *pattern, const char *value) { /* NOLINT(misc-no-recursion) */
    if (*pattern == '*')
        return matches(pattern + 1, value) || (*value != '\0' && matches(pattern, value + 1));
    return *pattern == *value && (*value == '\0' || matches(pattern + 1, value + 1));
}

static void try_pattern(const char *text, size_t length) {
    char pattern[MATCHED_MAX + 1] = "";
    const char *value = strchr(text, '\n');
    if (value == NULL || length > MATCHED_MAX)
        return;
    memcpy(pattern, text, (size_t)(value - text));
    value++;
    demand(jwt_match(pattern, value) == matches(pattern, value));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    size_t length = size - 1;
    char *text = malloc(length + 1);
    demand(text != NULL);
    memcpy(text, data + 1, length);
    text[length] = '\0';
    if (data[0] == 's')
        try_signed(text);
    else if (data[0] == 'k')
        try_keys(text, length);
    else if (data[0] == 'm')
        try_pattern(text, length);
    else
        try_token(text, length);
    free(text);
    return 0;
}
