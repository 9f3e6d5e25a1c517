/* The parts of auth_http that need no service: when to leave it alone, what is asked, what an
 * answer is. */
#include "lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth_http/answer.h"
#include "auth_http/body.h"
#include "auth_http/breaker.h"
#include "lib/json.h"

/* ---- the breaker ---- */

#define FAILURES 3
#define OPEN_MS 1000

static void pass(struct http_breaker *breaker, bool success, uint64_t now, bool changes) {
    uint32_t round = 0;
    assert_true(http_breaker_enter(breaker, now, &round));
    assert_int_equal(http_breaker_result(breaker, round, success, now), changes);
}

static void begin(struct http_breaker *breaker) {
    *breaker = (struct http_breaker){0};
    http_breaker_reset(breaker, FAILURES, OPEN_MS);
}

static void open_it(struct http_breaker *breaker, uint64_t now) {
    pass(breaker, false, now, false);
    pass(breaker, false, now, false);
    pass(breaker, false, now, true);
    assert_int_equal(breaker->state, HTTP_BREAKER_OPEN);
}

static void test_breaker_opens(void **state) {
    struct http_breaker breaker;
    uint32_t round = 0;
    (void)state;
    begin(&breaker);
    pass(&breaker, false, 0, false);
    pass(&breaker, false, 0, false);
    pass(&breaker, true, 0, false); /* not in a row */
    open_it(&breaker, 50);
    assert_false(http_breaker_admits(&breaker, 50 + OPEN_MS - 1));
    assert_false(http_breaker_enter(&breaker, 50 + OPEN_MS - 1, &round));
    assert_true(http_breaker_admits(&breaker, 50 + OPEN_MS));
    assert_int_equal(breaker.state, HTTP_BREAKER_OPEN); /* looking changes nothing */
}

static void test_breaker_probes_once(void **state) {
    struct http_breaker breaker;
    uint32_t probe = 0;
    uint32_t round = 0;
    (void)state;
    begin(&breaker);
    open_it(&breaker, 0);
    assert_true(http_breaker_enter(&breaker, OPEN_MS, &probe));
    assert_int_equal(breaker.state, HTTP_BREAKER_HALF_OPEN);
    assert_false(http_breaker_enter(&breaker, OPEN_MS, &round));
    assert_false(http_breaker_enter(&breaker, OPEN_MS * 100, &round));
    assert_true(http_breaker_result(&breaker, probe, false, OPEN_MS + 10)); /* one is enough */
    assert_int_equal(breaker.state, HTTP_BREAKER_OPEN);
    assert_false(http_breaker_enter(&breaker, OPEN_MS * 2 + 9, &round)); /* open anew */
    assert_true(http_breaker_enter(&breaker, OPEN_MS * 2 + 10, &probe));
    assert_true(http_breaker_result(&breaker, probe, true, OPEN_MS * 2 + 20));
    assert_int_equal(breaker.state, HTTP_BREAKER_CLOSED);
    open_it(&breaker, 5000); /* again it takes all of them */
}

/* Results of what was asked in an earlier state. */
static void test_breaker_ignores_the_past(void **state) {
    struct http_breaker breaker;
    uint32_t old = 0;
    uint32_t probe = 0;
    (void)state;
    begin(&breaker);
    assert_true(http_breaker_enter(&breaker, 0, &old));
    open_it(&breaker, 0);
    assert_false(http_breaker_result(&breaker, old, true, 10));
    assert_int_equal(breaker.state, HTTP_BREAKER_OPEN);
    assert_false(http_breaker_result(&breaker, old, false, 900));
    assert_true(http_breaker_enter(&breaker, OPEN_MS, &probe)); /* it did not open longer */
    assert_false(http_breaker_result(&breaker, old, true, OPEN_MS));
    assert_false(http_breaker_result(&breaker, old, false, OPEN_MS));
    assert_int_equal(breaker.state, HTTP_BREAKER_HALF_OPEN);
    http_breaker_reset(&breaker, 1, OPEN_MS);
    assert_int_equal(breaker.state, HTTP_BREAKER_CLOSED);
    assert_false(http_breaker_result(&breaker, probe, false, OPEN_MS));
    assert_int_equal(breaker.state, HTTP_BREAKER_CLOSED);
}

/* ---- questions ---- */

static void expect_body(struct http_body *body, const char *pattern) {
    json_t *json = json_loadb(body->data, body->length, JSON_ALLOW_NUL, NULL);
    assert_non_null(json);
    mt_expect(json, "%s", pattern);
    json_decref(json);
    http_body_wipe(body);
    assert_null(body->data);
}

static void test_body_of_action(void **state) {
    struct http_body body;
    const char *const roles[] = {"a\"b", "c"};
    const struct muster_principal principal = {.id = "x\n\"y",
                                               .kind = MUSTER_PRINCIPAL_USER,
                                               .claims = "{\"n\":[1,{}]}",
                                               .roles = roles,
                                               .role_count = 2};
    const struct muster_resource resource = {.operation = "RESUME",
                                             .session = NULL,
                                             .connection = "c1",
                                             .instance = "i",
                                             .incarnation = "k",
                                             .user = "u\",\"x\":\"",
                                             .claims = "{\"team\":1}",
                                             .resumed = "c0"};
    (void)state;
    assert_true(http_body_authorize(&body, &principal, MUSTER_ACTION_CONNECTION_RESUME, &resource));
    json_t *json = json_loadb(body.data, body.length, JSON_REJECT_DUPLICATES, NULL);
    const json_t *who = json_object_get(json, "principal");
    assert_string_equal(mt_str(who, "id"), "x\n\"y");
    assert_string_equal(json_string_value(json_array_get(json_object_get(who, "roles"), 0)),
                        "a\"b");
    assert_string_equal(mt_str(json_object_get(json, "resource"), "user"), "u\",\"x\":\"");
    json_decref(json);
    expect_body(&body, "{'question':'authorize','action':'connection.resume','operation':'RESUME',"
                       "'principal':{'id':'#str','kind':'user','claims':{'n':[1,{}]},"
                       "'roles':['#str','c']},'resource':{'connection':'c1','instance':'i',"
                       "'incarnation':'k','user':'#str','claims':{'team':1},'resumed':'c0'}}");
}

static void test_body_of_credentials(void **state) {
    struct http_body body;
    struct muster_credentials credentials = {.purpose = MUSTER_PURPOSE_CALLER,
                                             .user = {"me", 2},
                                             .token = {"a\0b", 3},
                                             .certificate = "CN=x",
                                             .peer = "10.0.0.1:7",
                                             .transport = "transport_resp"};
    (void)state;
    assert_true(http_body_authenticate(&body, &credentials));
    expect_body(&body, "{'question':'authenticate','purpose':'caller','user':'me','token':'#str',"
                       "'certificate':'CN=x','peer':'10.0.0.1:7','transport':'transport_resp'}");
    credentials = (struct muster_credentials){.purpose = MUSTER_PURPOSE_END_USER,
                                              .token = {"t", 1},
                                              .transport = "d",
                                              .requested_user = "u1"};
    assert_true(http_body_authenticate(&body, &credentials));
    expect_body(&body, "{'question':'authenticate','purpose':'end_user','credential':'t',"
                       "'transport':'d','requested_user':'u1'}");
}

static void test_what_cannot_be_asked(void **state) {
    struct http_body body;
    struct muster_principal principal = {.id = "x", .claims = "[]"};
    const struct muster_resource resource = {.operation = "STATUS"};
    const struct muster_credentials credentials = {.token = {"\xff", 1}};
    (void)state;
    assert_false(http_body_authorize(&body, &principal, MUSTER_ACTION_ADMIN, &resource));
    principal.claims = "{\"a\":1";
    assert_false(http_body_authorize(&body, &principal, MUSTER_ACTION_ADMIN, &resource));
    principal.claims = "{\"a\":1,\"a\":2}";
    assert_false(http_body_authorize(&body, &principal, MUSTER_ACTION_ADMIN, &resource));
    assert_null(body.data);
    assert_false(http_body_authenticate(&body, &credentials));
    assert_null(body.data);
}

/* ---- answers ---- */

static bool read_as(struct http_answer *answer, enum http_purpose purpose, const char *text) {
    const char *wrong = NULL;
    bool good = http_answer_read(answer, purpose, text, strlen(text), 60000, &wrong);
    assert_int_equal(good, wrong == NULL);
    if (!good) {
        const struct http_answer empty = {0};
        assert_memory_equal(answer, &empty, sizeof empty);
    }
    return good;
}

static void expect_good(enum http_purpose purpose, const char *text) {
    struct http_answer answer;
    if (!read_as(&answer, purpose, text))
        fail_msg("refused: %s", text);
    http_answer_deinit(&answer);
}

static void expect_bad(enum http_purpose purpose, const char *text) {
    struct http_answer answer;
    if (read_as(&answer, purpose, text))
        fail_msg("taken: %s", text);
}

static void test_decisions(void **state) {
    struct http_answer answer;
    (void)state;
    assert_true(read_as(&answer, HTTP_AUTHORIZE,
                        "{\"decision\":\"deny\",\"reason\":\"r\",\"code\":\"RATE_LIMITED\","
                        "\"ttl\":1.5}"));
    assert_int_equal(answer.decision.verdict, MUSTER_DENY);
    assert_string_equal(answer.decision.reason, "r");
    assert_int_equal(answer.decision.code, MUSTER_RATE_LIMITED);
    assert_int_equal(answer.decision.cache_ms, 1500);
    http_answer_deinit(&answer);
    assert_true(read_as(&answer, HTTP_AUTHORIZE,
                        "{\"decision\":\"allow\",\"ttl\":1e300,\"quota\":{\"connections\":3,"
                        "\"sessions\":4294967295,\"holder\":\"h\"}}"));
    assert_int_equal(answer.decision.verdict, MUSTER_ALLOW);
    assert_int_equal(answer.decision.cache_ms, 60000);
    assert_int_equal(answer.decision.quota_connections, 3);
    assert_int_equal(answer.decision.quota_sessions, UINT32_MAX);
    assert_string_equal(answer.decision.quota_holder, "h");
    assert_int_equal(answer.decision.code, 0);
    http_answer_deinit(&answer);
    assert_true(read_as(&answer, HTTP_AUTHORIZE, " {\"decision\":\"defer\"} \n"));
    assert_int_equal(answer.decision.verdict, MUSTER_DEFER);
    assert_int_equal(answer.decision.cache_ms, 0);
    http_answer_deinit(&answer);
}

static void test_principals(void **state) {
    struct http_answer answer;
    (void)state;
    assert_true(read_as(&answer, HTTP_CALLER,
                        "{\"decision\":\"allow\",\"principal\":{\"id\":\"p\",\"kind\":\"operator\","
                        "\"instance\":\"i\",\"roles\":[\"a\",\"b\"],\"claims\":{\"z\": 1},"
                        "\"expires_at\":1795532419823}}"));
    const struct muster_principal *principal = answer.decision.principal;
    assert_string_equal(principal->id, "p");
    assert_int_equal(principal->kind, MUSTER_PRINCIPAL_OPERATOR);
    assert_string_equal(principal->instance, "i");
    assert_int_equal(principal->role_count, 2);
    assert_string_equal(principal->roles[1], "b");
    assert_string_equal(principal->claims, "{\"z\":1}");
    assert_true(principal->expires_at == UINT64_C(1795532419823));
    http_answer_deinit(&answer);
    assert_true(
        read_as(&answer, HTTP_END_USER, "{\"decision\":\"allow\",\"user\":\"u\",\"claims\":{}}"));
    assert_string_equal(answer.decision.user, "u");
    assert_string_equal(answer.decision.claims, "{}");
    http_answer_deinit(&answer);
    expect_good(HTTP_END_USER, "{\"decision\":\"allow\"}"); /* as requested */
    expect_good(HTTP_CALLER, "{\"decision\":\"deny\"}");
    expect_good(HTTP_CALLER, "{\"decision\":\"defer\"}");
}

#define CALLER(members) "{\"decision\":\"allow\",\"principal\":{" members "}}"
#define ALLOW(members) "{\"decision\":\"allow\"," members "}"

static void test_what_is_no_answer(void **state) {
    static const char *const of_action[] = {
        "",
        "null",
        "\"allow\"",
        "[]",
        "{}",
        "{\"decision\":null}",
        "{\"decision\":true}",
        "{\"decision\":\"ALLOW\"}",
        "{\"decision\":\"allow \"}",
        "{\"decision\":\"allow\\u0000\"}",
        "{\"decision\":[\"allow\"]}",
        "{\"Decision\":\"allow\"}",
        "{'decision':'allow'}",
        "{\"decision\":\"allow\",}",
        "{\"decision\":\"allow\"}{}",
        "{\"decision\":\"deny\",\"decision\":\"allow\"}",
        "{\"decision\":\"deny\",\"d\\u0065cision\":\"allow\"}",
        ALLOW("\"reason\":1"),
        ALLOW("\"reason\":null"),
        ALLOW("\"ttl\":-1"),
        ALLOW("\"ttl\":\"60\""),
        ALLOW("\"ttl\":NaN"),
        ALLOW("\"ttl\":1e999"),
        ALLOW("\"ttl\":null"),
        ALLOW("\"code\":\"OK\""),
        ALLOW("\"code\":16"),
        ALLOW("\"code\":\"INTERNAL\""),
        ALLOW("\"quota\":5"),
        ALLOW("\"quota\":{\"connections\":0}"),
        ALLOW("\"quota\":{\"connections\":-1}"),
        ALLOW("\"quota\":{\"connections\":4294967296}"),
        ALLOW("\"quota\":{\"connections\":1.5}"),
        ALLOW("\"quota\":{\"sessions\":\"1\"}"),
        ALLOW("\"quota\":{\"conections\":1}"),
        ALLOW("\"quota\":{\"holder\":1}"),
        ALLOW("\"quotas\":{\"connections\":1}"),
        ALLOW("\"user\":\"u\""),
        ALLOW("\"principal\":{\"id\":\"p\",\"kind\":\"user\"}"),
    };
    static const char *const of_caller[] = {
        "{\"decision\":\"allow\"}",
        ALLOW("\"user\":\"u\""),
        ALLOW("\"principal\":\"p\""),
        ALLOW("\"principal\":null"),
        CALLER(""),
        CALLER("\"id\":\"p\""),
        CALLER("\"kind\":\"user\""),
        CALLER("\"id\":1,\"kind\":\"user\""),
        CALLER("\"id\":\"p\",\"kind\":\"anonymous\""),
        CALLER("\"id\":\"p\",\"kind\":\"root\""),
        CALLER("\"id\":\"p\",\"kind\":\"user\",\"roles\":\"a\""),
        CALLER("\"id\":\"p\",\"kind\":\"user\",\"roles\":[1]"),
        CALLER("\"id\":\"p\",\"kind\":\"user\",\"claims\":[]"),
        CALLER("\"id\":\"p\",\"kind\":\"user\",\"claims\":\"{}\""),
        CALLER("\"id\":\"p\",\"kind\":\"user\",\"expires_at\":0"),
        CALLER("\"id\":\"p\",\"kind\":\"user\",\"expires_at\":1.5"),
        CALLER("\"id\":\"p\",\"kind\":\"user\",\"expires_at\":\"1\""),
        CALLER("\"id\":\"p\",\"kind\":\"user\",\"instance\":false"),
        CALLER("\"id\":\"p\",\"kind\":\"user\",\"role\":[]"),
    };
    (void)state;
    for (size_t i = 0; i < sizeof of_action / sizeof of_action[0]; i++)
        expect_bad(HTTP_AUTHORIZE, of_action[i]);
    for (size_t i = 0; i < sizeof of_caller / sizeof of_caller[0]; i++)
        expect_bad(HTTP_CALLER, of_caller[i]);
    expect_bad(HTTP_END_USER, ALLOW("\"user\":7"));
    expect_bad(HTTP_END_USER, ALLOW("\"claims\":[]"));
    expect_bad(HTTP_END_USER, ALLOW("\"quota\":{\"connections\":1}"));
}

/* Roles and depth beyond what is allowed; as many as are. */
static void test_many(void **state) {
    char text[4096];
    (void)state;
    for (size_t count = HTTP_ROLES_MAX; count <= HTTP_ROLES_MAX + 1; count++) {
        size_t used = (size_t)snprintf(text, sizeof text,
                                       "{\"decision\":\"allow\",\"principal\":{\"id\":\"p\","
                                       "\"kind\":\"user\",\"roles\":[\"r\"");
        for (size_t i = 1; i < count; i++)
            used += (size_t)snprintf(text + used, sizeof text - used, ",\"r%zu\"", i);
        snprintf(text + used, sizeof text - used, "]}}");
        if (count <= HTTP_ROLES_MAX)
            expect_good(HTTP_CALLER, text);
        else
            expect_bad(HTTP_CALLER, text);
    }
    for (size_t depth = 30; depth <= 32; depth++) {
        /* The root, the claims, and lists in lists. */
        size_t used =
            (size_t)snprintf(text, sizeof text, "{\"decision\":\"allow\",\"claims\":{\"a\":");
        memset(text + used, '[', depth);
        memset(text + used + depth, ']', depth);
        snprintf(text + used + 2 * depth, sizeof text - used - 2 * depth, "}}");
        if (depth <= 30)
            expect_good(HTTP_END_USER, text);
        else
            expect_bad(HTTP_END_USER, text);
    }
}

static void test_content_type(void **state) {
    (void)state;
    assert_true(http_is_json("application/json"));
    assert_true(http_is_json("Application/JSON; charset=utf-8"));
    assert_true(http_is_json("application/json ;x"));
    assert_false(http_is_json(NULL));
    assert_false(http_is_json(""));
    assert_false(http_is_json("text/html"));
    assert_false(http_is_json("application/jsonp"));
    assert_false(http_is_json("application/json5; x"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_breaker_opens),
        cmocka_unit_test(test_breaker_probes_once),
        cmocka_unit_test(test_breaker_ignores_the_past),
        cmocka_unit_test(test_body_of_action),
        cmocka_unit_test(test_body_of_credentials),
        cmocka_unit_test(test_what_cannot_be_asked),
        cmocka_unit_test(test_decisions),
        cmocka_unit_test(test_principals),
        cmocka_unit_test(test_what_is_no_answer),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_content_type),
    };
    return cmocka_run_group_tests_name("auth_http", tests, NULL, NULL);
}
