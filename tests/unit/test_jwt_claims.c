/* The claims of a token that holds: when, for whom, who, and which sessions. */
#include "lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth_jwt/identity.h"
#include "auth_jwt/rights.h"
#include "auth_jwt/token.h"
#include "tokens/tokens.h"

#define NOW UINT64_C(1790000000000) /* Unix time in ms */
#define LIVE "\"exp\":1790000060"
#define GOOD "\"sub\":\"alice\"," LIVE

static struct jwt_settings usual(void) {
    return (struct jwt_settings){
        .algorithms = UINT32_MAX,
        .leeway_ms = 30000,
        .require_expiry = true,
        .max_token = 8192,
        .user = "sub",
        .fixed_kind = MUSTER_PRINCIPAL_USER,
        .actions = 1U << MUSTER_ACTION_SESSION_ENTER | 1U << MUSTER_ACTION_SESSION_LEAD |
                   1U << MUSTER_ACTION_SESSION_READ | 1U << MUSTER_ACTION_EVENTS_SUBSCRIBE,
    };
}

static enum jwt_refusal read_for(const struct jwt_settings *settings, const char *text,
                                 enum muster_purpose purpose, const char *requested,
                                 struct jwt_identity *identity) {
    json_t *claims = NULL;
    if (jwt_json_read(text, strlen(text), &claims) != JWT_JSON_FINE)
        fail_msg("no claims: %s", text);
    enum jwt_refusal refusal =
        jwt_identity_read(settings, claims, purpose, requested, NOW, identity);
    jwt_json_release(&claims);
    return refusal;
}

static void expect_at(int line, const struct jwt_settings *settings, const char *text,
                      enum jwt_refusal wanted) {
    struct jwt_identity identity;
    enum jwt_refusal got = read_for(settings, text, MUSTER_PURPOSE_CALLER, NULL, &identity);
    if (got != wanted)
        fail_msg("line %d: %s: %s", line, text,
                 got != JWT_ACCEPTED ? jwt_refusal_sentence(got) : "accepted");
    if (got == JWT_ACCEPTED)
        jwt_identity_deinit(&identity);
}

#define expect(settings, text, wanted) expect_at(__LINE__, (settings), (text), (wanted))

static void take(const struct jwt_settings *settings, const char *text,
                 struct jwt_identity *identity) {
    enum jwt_refusal refusal = read_for(settings, text, MUSTER_PURPOSE_CALLER, NULL, identity);
    if (refusal != JWT_ACCEPTED)
        fail_msg("%s: %s", text, jwt_refusal_sentence(refusal));
}

/* ---- when ---- */

static void test_times(void **state) {
    struct jwt_settings settings = usual();
    struct jwt_identity identity;
    (void)state;
    expect(&settings, "{\"sub\":\"a\",\"exp\":1789999971}", JWT_ACCEPTED); /* 29 s ago */
    expect(&settings, "{\"sub\":\"a\",\"exp\":1789999970}", JWT_REFUSED_EXPIRED);
    expect(&settings, "{\"sub\":\"a\",\"exp\":1789999970.001}", JWT_ACCEPTED);
    expect(&settings, "{\"sub\":\"a\",\"exp\":0}", JWT_REFUSED_EXPIRED);
    expect(&settings, "{\"sub\":\"a\",\"exp\":-5}", JWT_REFUSED_EXPIRED);
    expect(&settings, "{\"sub\":\"a\",\"exp\":1e300}", JWT_ACCEPTED);
    expect(&settings, "{\"sub\":\"a\",\"exp\":9223372036854775807}", JWT_ACCEPTED);
    expect(&settings, "{\"sub\":\"a\",\"exp\":\"1790000060\"}", JWT_REFUSED_BAD_TIME);
    expect(&settings, "{\"sub\":\"a\",\"exp\":null}", JWT_REFUSED_BAD_TIME);
    expect(&settings, "{\"sub\":\"a\"}", JWT_REFUSED_NO_EXPIRY);
    expect(&settings, "{" GOOD ",\"nbf\":1790000030}", JWT_ACCEPTED);
    expect(&settings, "{" GOOD ",\"nbf\":1790000031}", JWT_REFUSED_NOT_YET);
    expect(&settings, "{" GOOD ",\"nbf\":true}", JWT_REFUSED_BAD_TIME);
    take(&settings, "{" GOOD "}", &identity);
    assert_int_equal(identity.until_ms, NOW + 90000); /* with the leeway */
    jwt_identity_deinit(&identity);
    settings.require_expiry = false;
    take(&settings, "{\"sub\":\"a\"}", &identity);
    assert_int_equal(identity.until_ms, 0);
    jwt_identity_deinit(&identity);
    expect(&settings, "{\"sub\":\"a\",\"exp\":1}", JWT_REFUSED_EXPIRED);
}

/* ---- by whom and for whom ---- */

static void test_issuer(void **state) {
    struct jwt_settings settings = usual();
    (void)state;
    expect(&settings, "{" GOOD ",\"iss\":\"anybody\"}", JWT_ACCEPTED);
    settings.issuers = (struct jwt_list){{"https://id", "https://id2"}, 2};
    expect(&settings, "{" GOOD ",\"iss\":\"https://id2\"}", JWT_ACCEPTED);
    expect(&settings, "{" GOOD ",\"iss\":\"https://id3\"}", JWT_REFUSED_ISSUER);
    expect(&settings, "{" GOOD ",\"iss\":[\"https://id\"]}", JWT_REFUSED_ISSUER);
    expect(&settings, "{" GOOD "}", JWT_REFUSED_ISSUER);
}

static void test_audience(void **state) {
    struct jwt_settings settings = usual();
    (void)state;
    expect(&settings, "{" GOOD "}", JWT_ACCEPTED);
    expect(&settings, "{" GOOD ",\"aud\":\"anybody\"}", JWT_REFUSED_AUDIENCE);
    settings.audiences = (struct jwt_list){{"muster", "m2"}, 2};
    expect(&settings, "{" GOOD ",\"aud\":\"muster\"}", JWT_ACCEPTED);
    expect(&settings, "{" GOOD ",\"aud\":[\"x\",\"m2\"]}", JWT_ACCEPTED);
    expect(&settings, "{" GOOD ",\"aud\":[\"x\",7]}", JWT_REFUSED_AUDIENCE);
    expect(&settings, "{" GOOD ",\"aud\":[]}", JWT_REFUSED_AUDIENCE);
    expect(&settings, "{" GOOD ",\"aud\":\"Muster\"}", JWT_REFUSED_AUDIENCE);
    expect(&settings, "{" GOOD "}", JWT_REFUSED_AUDIENCE);
}

/* ---- who ---- */

static void test_user(void **state) {
    struct jwt_settings settings = usual();
    struct jwt_identity identity;
    (void)state;
    expect(&settings, "{" LIVE "}", JWT_REFUSED_NO_USER);
    expect(&settings, "{\"sub\":\"\"," LIVE "}", JWT_REFUSED_NO_USER);
    expect(&settings, "{\"sub\":17," LIVE "}", JWT_REFUSED_NO_USER);
    expect(&settings, "{\"sub\":\"a\\nb\"," LIVE "}", JWT_REFUSED_BAD_USER);
    expect(&settings, "{\"sub\":\"Anne Ey\"," LIVE "}", JWT_ACCEPTED); /* no id, but a name */
    settings.user = "account.login";
    take(&settings, "{\"account\":{\"login\":\"bob\"}," LIVE "}", &identity);
    assert_string_equal(identity.user, "bob");
    jwt_identity_deinit(&identity);
    settings.user = "https://x.org/id";
    take(&settings, "{\"https://x.org/id\":\"carol\"," LIVE "}", &identity);
    assert_string_equal(identity.user, "carol");
    jwt_identity_deinit(&identity);
}

static void test_end_user(void **state) {
    struct jwt_settings settings = usual();
    struct jwt_identity identity;
    const char *spaced = "{\"sub\":\"Anne Ey\"," LIVE "}";
    (void)state;
    assert_int_equal(read_for(&settings, "{" GOOD "}", MUSTER_PURPOSE_END_USER, "alice", &identity),
                     JWT_ACCEPTED);
    jwt_identity_deinit(&identity);
    assert_int_equal(read_for(&settings, "{" GOOD "}", MUSTER_PURPOSE_END_USER, NULL, &identity),
                     JWT_ACCEPTED);
    assert_null(identity.claims);
    jwt_identity_deinit(&identity);
    assert_int_equal(read_for(&settings, "{" GOOD "}", MUSTER_PURPOSE_END_USER, "bob", &identity),
                     JWT_REFUSED_OTHER_USER);
    assert_int_equal(read_for(&settings, spaced, MUSTER_PURPOSE_END_USER, NULL, &identity),
                     JWT_REFUSED_BAD_USER);
}

static void test_kind_and_instance(void **state) {
    struct jwt_settings settings = usual();
    struct jwt_identity identity;
    (void)state;
    settings.instance = "node";
    take(&settings, "{" GOOD "}", &identity);
    assert_int_equal(identity.kind, MUSTER_PRINCIPAL_USER);
    assert_string_equal(identity.instance, "");
    jwt_identity_deinit(&identity);
    settings.kind = "what";
    take(&settings, "{" GOOD ",\"what\":\"operator\"}", &identity);
    assert_int_equal(identity.kind, MUSTER_PRINCIPAL_OPERATOR);
    jwt_identity_deinit(&identity);
    take(&settings, "{" GOOD ",\"what\":\"instance\",\"node\":\"n-1\"}", &identity);
    assert_int_equal(identity.kind, MUSTER_PRINCIPAL_INSTANCE);
    assert_string_equal(identity.instance, "n-1");
    jwt_identity_deinit(&identity);
    expect(&settings, "{" GOOD "}", JWT_ACCEPTED);
    expect(&settings, "{" GOOD ",\"what\":\"root\"}", JWT_REFUSED_BAD_KIND);
    expect(&settings, "{" GOOD ",\"what\":[\"operator\"]}", JWT_REFUSED_BAD_KIND);
    expect(&settings, "{" GOOD ",\"what\":\"instance\"}", JWT_REFUSED_NO_INSTANCE);
    expect(&settings, "{" GOOD ",\"node\":\"\"}", JWT_REFUSED_BAD_INSTANCE);
    expect(&settings, "{" GOOD ",\"node\":\"a:b\"}", JWT_REFUSED_BAD_INSTANCE);
    expect(&settings, "{" GOOD ",\"node\":null}", JWT_REFUSED_BAD_INSTANCE);
}

static void test_roles(void **state) {
    struct jwt_settings settings = usual();
    struct jwt_identity identity;
    (void)state;
    settings.roles = "realm.roles";
    take(&settings, "{" GOOD ",\"realm\":{\"roles\":[\"a\",\"b c\"]}}", &identity);
    assert_int_equal(identity.role_count, 2);
    assert_string_equal(identity.role_names[1], "b c");
    jwt_identity_deinit(&identity);
    take(&settings, "{" GOOD ",\"realm\":{\"roles\":\" read  write \"}}", &identity);
    assert_int_equal(identity.role_count, 2);
    assert_string_equal(identity.role_names[1], "write");
    jwt_identity_deinit(&identity);
    take(&settings, "{" GOOD "}", &identity);
    assert_int_equal(identity.role_count, 0);
    jwt_identity_deinit(&identity);
    expect(&settings, "{" GOOD ",\"realm\":{\"roles\":[\"a\",1]}}", JWT_REFUSED_BAD_ROLES);
    expect(&settings, "{" GOOD ",\"realm\":{\"roles\":{\"a\":1}}}", JWT_REFUSED_BAD_ROLES);
    expect(&settings, "{" GOOD ",\"realm\":{\"roles\":[\"\"]}}", JWT_REFUSED_BAD_ROLES);
    char words[2 * 65 + 1] = "";
    for (size_t i = 0; i < 65; i++)
        memcpy(words + 2 * i, "x ", 2);
    char *many = mt_format("{" GOOD ",\"realm\":{\"roles\":\"%s\"}}", words);
    expect(&settings, many, JWT_REFUSED_BAD_ROLES);
    free(many);
}

static void test_claims_go_on(void **state) {
    struct jwt_settings settings = usual();
    struct jwt_identity identity;
    (void)state;
    settings.sessions = "sessions";
    settings.profile = (struct jwt_list){{"name", "pic.url", "gone"}, 3};
    take(&settings,
         "{" GOOD ",\"email\":\"a@b\",\"name\":\"Al\",\"pic\":{\"url\":\"u\"},"
         "\"sessions\":[\"team-42-*\",\"lobby\"]}",
         &identity);
    assert_string_equal(identity.claims,
                        "{\"auth_jwt\":{\"sessions\":[\"team-42-*\",\"lobby\"],"
                        "\"until\":1790000090000},\"name\":\"Al\",\"pic.url\":\"u\"}");
    jwt_identity_deinit(&identity);
    take(&settings, "{" GOOD ",\"sessions\":[]}", &identity);
    assert_string_equal(identity.claims,
                        "{\"auth_jwt\":{\"sessions\":[],\"until\":1790000090000}}");
    jwt_identity_deinit(&identity);
    take(&settings, "{" GOOD "}", &identity);
    assert_null(identity.claims);
    jwt_identity_deinit(&identity);
    expect(&settings, "{" GOOD ",\"sessions\":{\"a\":1}}", JWT_REFUSED_BAD_SESSIONS);
    expect(&settings, "{" GOOD ",\"sessions\":null}", JWT_REFUSED_BAD_SESSIONS);
    expect(&settings, "{" GOOD ",\"sessions\":[\"a b\"]}", JWT_REFUSED_BAD_SESSIONS);
    expect(&settings, "{" GOOD ",\"sessions\":[\"\"]}", JWT_REFUSED_BAD_SESSIONS);
    expect(&settings, "{" GOOD ",\"sessions\":[\"a\",{}]}", JWT_REFUSED_BAD_SESSIONS);
}

static void test_claims_twice(void **state) {
    json_t *json = NULL;
    struct mt_signer *signer = mt_signer_create("ES256", NULL);
    char *set = mt_jwks(mt_signer_jwk(signer, NULL));
    char wrong[256];
    struct jwt_keys *keys = jwt_keys_read(set, strlen(set), wrong, sizeof wrong);
    static const struct {
        const char *claims;
        enum jwt_refusal refusal;
    } cases[] = {
        {"{\"sub\":\"alice\",\"sub\":\"bob\"," LIVE "}", JWT_REFUSED_CLAIM_TWICE},
        {"{" GOOD ",\"x\":{\"y\":1,\"y\":1}}", JWT_REFUSED_CLAIM_TWICE},
        {"{" GOOD ",\"exp\":9999999999}", JWT_REFUSED_CLAIM_TWICE},
        {"{" GOOD ",\"x\":\"\\u0000\"}", JWT_REFUSED_PAYLOAD},
        {"{" GOOD ",\"x\":\"\xff\"}", JWT_REFUSED_PAYLOAD},
        {"{" GOOD "}x", JWT_REFUSED_PAYLOAD},
        {"[]", JWT_REFUSED_PAYLOAD},
        {"alice", JWT_REFUSED_PAYLOAD},
        {"", JWT_REFUSED_PAYLOAD},
        {"{" GOOD "}", JWT_ACCEPTED},
    };
    struct jwt_settings settings = usual();
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct jwt_identity identity;
        char *token = mt_token_sign(signer, NULL, cases[i].claims);
        enum jwt_refusal refusal = jwt_token_verify(&settings, keys, token, strlen(token),
                                                    MUSTER_PURPOSE_CALLER, NULL, NOW, &identity);
        if (refusal != cases[i].refusal)
            fail_msg("%s: %d", cases[i].claims, (int)refusal);
        if (refusal == JWT_ACCEPTED)
            jwt_identity_deinit(&identity);
        free(token);
    }
    assert_int_equal(jwt_json_read("{\"a\":1,\"a\":2}", 13, &json), JWT_JSON_TWICE);
    assert_null(json);
    free(set);
    jwt_keys_unref(&keys);
    mt_signer_destroy(&signer);
}

/* ---- which sessions ---- */

static void test_patterns(void **state) {
    static const struct {
        const char *pattern, *value;
        bool matches;
    } cases[] = {
        {"lobby", "lobby", true},
        {"lobby", "lobby2", false},
        {"lobby", "lobb", false},
        {"team-42-*", "team-42-", true},
        {"team-42-*", "team-42-a", true},
        {"team-42-*", "team-421", false},
        {"team-42-*", "team-4", false},
        {"*", "x", true},
        {"*", "", true},
        {"", "", true},
        {"", "x", false},
        {"a*b*c", "abc", true},
        {"a*b*c", "aXbYbZc", true},
        {"a*b*c", "aXbYbZ", false},
        {"**x", "yyx", true},
        {"a.c", "abc", false},
        {"a?c", "abc", false},
        {"[a]", "a", false},
        /* Somebody asks for many. */
        {"team-*", "team-42-*", true},
        {"team-*", "team-*x", true},
        {"team-42-*", "team-*", false},
        {"team-42-1", "team-42-*", false},
        {"*", "*", true},
        {"*-x", "*", false},
        {"a*c", "a*c", true},
        {"a*bc", "a*c", false},
        {"ab*", "a*", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (jwt_match(cases[i].pattern, cases[i].value) != cases[i].matches)
            fail_msg("%s, %s: %d", cases[i].pattern, cases[i].value, !cases[i].matches);
    }
}

#define PATTERNS(list) "{\"auth_jwt\":{\"sessions\":" list ",\"until\":1790000090000},\"n\":\"x\"}"

static enum muster_verdict ask(const char *principal, const char *user, enum muster_action action,
                               const char *session, uint64_t now,
                               struct muster_decision *decision) {
    static char sentence[200];
    struct jwt_settings settings = usual();
    *decision = (struct muster_decision){0};
    return jwt_rights(&settings, principal, user, action, session, now, decision, sentence,
                      sizeof sentence);
}

static void test_rights(void **state) {
    const char *team = PATTERNS("[\"team-42-*\",\"lobby\"]");
    const char *nothing = PATTERNS("[]");
    const char *all = PATTERNS("[\"*\"]");
    const char *foreign = "{\"sessions\":[\"*\"],\"auth_http\":{\"sessions\":[\"*\"]}}";
    struct muster_decision decision;
    (void)state;
    assert_int_equal(ask(team, NULL, MUSTER_ACTION_SESSION_ENTER, "team-42-a", NOW, &decision),
                     MUSTER_ALLOW);
    assert_int_equal(decision.cache_ms, JWT_RIGHTS_CACHE_MS);
    assert_int_equal(ask(team, NULL, MUSTER_ACTION_SESSION_LEAD, "lobby", NOW + 89000, &decision),
                     MUSTER_ALLOW);
    assert_int_equal(decision.cache_ms, 1000); /* no longer than the token */
    assert_int_equal(ask(team, NULL, MUSTER_ACTION_SESSION_READ, "team-43-a", NOW, &decision),
                     MUSTER_DENY);
    assert_string_equal(decision.reason, "the token does not allow session 'team-43-a'");
    assert_int_equal(decision.code, MUSTER_OK); /* DENIED */
    assert_int_equal(ask(nothing, NULL, MUSTER_ACTION_SESSION_ENTER, "team-42-a", NOW, &decision),
                     MUSTER_DENY);
    assert_int_equal(ask(team, NULL, MUSTER_ACTION_SESSION_ENTER, "lobby", NOW + 90000, &decision),
                     MUSTER_DENY);
    assert_int_equal(decision.code, MUSTER_UNAUTHENTICATED);
    assert_int_equal(decision.cache_ms, 0);
    /* Caller and end user: both must allow it. */
    assert_int_equal(ask(NULL, team, MUSTER_ACTION_SESSION_ENTER, "lobby", NOW, &decision),
                     MUSTER_ALLOW);
    assert_int_equal(ask(all, team, MUSTER_ACTION_SESSION_ENTER, "lobby", NOW, &decision),
                     MUSTER_ALLOW);
    assert_int_equal(ask(all, team, MUSTER_ACTION_SESSION_ENTER, "hall", NOW, &decision),
                     MUSTER_DENY);
    assert_int_equal(ask(team, all, MUSTER_ACTION_SESSION_ENTER, "hall", NOW, &decision),
                     MUSTER_DENY);
    assert_int_equal(ask(foreign, team, MUSTER_ACTION_SESSION_ENTER, "hall", NOW, &decision),
                     MUSTER_DENY);
    /* Not ours to decide. */
    assert_int_equal(ask(NULL, NULL, MUSTER_ACTION_SESSION_ENTER, "lobby", NOW, &decision),
                     MUSTER_DEFER);
    assert_int_equal(ask(foreign, NULL, MUSTER_ACTION_SESSION_ENTER, "lobby", NOW, &decision),
                     MUSTER_DEFER);
    assert_int_equal(ask("{\"x\":\"\\\"auth_jwt\\\"\"}", "\"auth_jwt\"",
                         MUSTER_ACTION_SESSION_ENTER, "lobby", NOW, &decision),
                     MUSTER_DEFER);
    assert_int_equal(ask(all, NULL, MUSTER_ACTION_SESSION_KICK, "lobby", NOW, &decision),
                     MUSTER_DEFER); /* not in `actions` */
    assert_int_equal(ask(all, NULL, MUSTER_ACTION_CONNECTION_REGISTER, NULL, NOW, &decision),
                     MUSTER_DEFER);
    assert_int_equal(ask(all, NULL, MUSTER_ACTION_SESSION_READ, NULL, NOW, &decision),
                     MUSTER_DEFER);
    /* Channels that tell of everybody. */
    assert_int_equal(ask(all, NULL, MUSTER_ACTION_EVENTS_SUBSCRIBE, "team-*", NOW, &decision),
                     MUSTER_ALLOW);
    assert_int_equal(ask(team, NULL, MUSTER_ACTION_EVENTS_SUBSCRIBE, "*", NOW, &decision),
                     MUSTER_DENY);
    assert_int_equal(ask(all, NULL, MUSTER_ACTION_EVENTS_SUBSCRIBE, "*", NOW, &decision),
                     MUSTER_DEFER);
    assert_int_equal(ask(all, NULL, MUSTER_ACTION_SESSION_READ, "*", NOW, &decision), MUSTER_ALLOW);
    assert_int_equal(ask(all, NULL, MUSTER_ACTION_EVENTS_SUBSCRIBE, "instances", NOW, &decision),
                     MUSTER_DEFER);
    assert_int_equal(ask(all, NULL, MUSTER_ACTION_EVENTS_SUBSCRIBE, "coordinator", NOW, &decision),
                     MUSTER_DEFER);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_times),        cmocka_unit_test(test_issuer),
        cmocka_unit_test(test_audience),     cmocka_unit_test(test_user),
        cmocka_unit_test(test_end_user),     cmocka_unit_test(test_kind_and_instance),
        cmocka_unit_test(test_roles),        cmocka_unit_test(test_claims_go_on),
        cmocka_unit_test(test_claims_twice), cmocka_unit_test(test_patterns),
        cmocka_unit_test(test_rights),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
