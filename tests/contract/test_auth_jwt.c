/* auth_jwt in a daemon: who calls, who the end user is, which sessions, and what is refused. */
#include "lib/test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "contract/doors/line.h"
#include "contract/doors/pubsub.h"
#include "contract/doors/resp.h"
#include "contract/jwt.h"
#include "lib/memory.h"
#include "lib/wait.h"

#define CLAIMS                                                                                     \
    ", algorithms: [ES256], issuer: [\"https://id\"], audience: [muster], max_token: 2KiB, "       \
    "leeway: 0s, claims: {kind: kind, instance: node, sessions: sessions, profile: [name]}"

static struct mt_signer *signer;
static struct mt_signer *stranger; /* another key under the same kid */

static int make_keys(void **state) {
    (void)state;
    signer = mt_signer_create("ES256", "k1");
    stranger = mt_signer_create("ES256", "k1");
    return 0;
}

static int drop_keys(void **state) {
    (void)state;
    mt_signer_destroy(&signer);
    mt_signer_destroy(&stranger);
    return 0;
}

static char *keys_of(const struct mt_signer *one) {
    return mt_jwks(mt_signer_jwk(one, NULL));
}

/* As the daemon reads it: time() lags behind by up to a tick, which may be the second in question.
 */
static long unix_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (long)now.tv_sec;
}

/* A good token with `more` claims; lives as long as the stand. */
static const char *token_by(const struct mt_jwt *jwt, const struct mt_signer *by,
                            const char *more) {
    return mt_keep_text(jwt->stand,
                        mt_token(by, "{\"iss\":\"https://id\",\"aud\":\"muster\",\"exp\":%ld%s%s}",
                                 unix_now() + 3600, more[0] != '\0' ? "," : "", more));
}

static const char *token(const struct mt_jwt *jwt, const char *more) {
    return token_by(jwt, signer, more);
}

static const char *backend(const struct mt_jwt *jwt) {
    return token(jwt, "\"sub\":\"svc-a\",\"kind\":\"instance\",\"node\":\"a\"");
}

static void expect_text(const struct mt_jwt *jwt, const char *said, const char *part) {
    if (strstr(said, part) == NULL)
        mt_fail(jwt->stand->world, "no '%s' in: %s", part, said);
}

static const char *options(const struct mt_jwt *jwt, const char *credential, const char *more) {
    return mt_keep_text(jwt->stand, mt_format("{\"credential\":\"%s\"%s%s}", credential,
                                              more[0] != '\0' ? "," : "", more));
}

/* ---- callers ---- */

static void test_caller(void **state) {
    struct mt_jwt jwt = {0};
    (void)state;
    mt_jwt_create(&jwt, &mt_door_pubsub, keys_of(signer), CLAIMS, "allow");
    struct mt_process *daemon = mt_stand_lead(jwt.stand, "daemon", false);
    const char *good = backend(&jwt);
    mt_jwt_ask(&jwt, good, MUSTER_OK, "START", "a", "x1");
    mt_jwt_ask(&jwt, good, MUSTER_OK, "ENTER", "r1", "c1", "a", "x1");
    /* Bound to its instance. */
    mt_jwt_ask(&jwt, good, MUSTER_DENIED, "START", "b", "y1");
    /* Bad ones never become somebody without a name, who might do everything here. */
    static const struct {
        const char *claims;
        const char *says;
    } refused[] = {
        {"\"kind\":\"instance\",\"node\":\"a\"", "does not say whose"},
        {"\"sub\":\"s\",\"kind\":\"instance\"", "says not of which"},
        {"\"sub\":\"s\",\"kind\":\"root\"", "neither of an instance"},
        {"\"sub\":\"s\",\"nbf\":99999999999", "not valid yet"},
        {"\"sub\":\"s\",\"sub\":\"t\"", "a claim twice"},
        {"\"sub\":\"s\",\"sessions\":7", "session patterns"},
    };
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        expect_text(&jwt,
                    mt_jwt_ask(&jwt, token(&jwt, refused[i].claims), MUSTER_UNAUTHENTICATED,
                               "LEADER", "r1"),
                    refused[i].says);
    const char *const other[][2] = {
        {mt_token(signer, "{\"iss\":\"https://id\",\"aud\":\"muster\",\"sub\":\"s\",\"exp\":%ld}",
                  unix_now() - 1),
         "has expired"},
        {mt_token(signer, "{\"iss\":\"https://id\",\"aud\":\"muster\",\"sub\":\"s\"}"),
         "no time at which it expires"},
        {mt_token(signer, "{\"iss\":\"https://ID\",\"aud\":\"muster\",\"exp\":9999999999}"),
         "issuer"},
        {mt_token(signer, "{\"iss\":\"https://id\",\"aud\":\"m\",\"exp\":9999999999}"), "audience"},
        {mt_token_sign(signer, "{\"alg\":\"none\"}", "{}"), "not signed"},
        {mt_token_sign(signer, "{\"alg\":\"HS256\",\"kid\":\"k1\"}", "{}"), "not in the list"},
        {mt_token_sign(signer, "{\"alg\":\"ES256\",\"kid\":\"k2\"}", "{}"), "no key has the kid"},
        {mt_token_sign(stranger, NULL, "{}"), "signature of the token is wrong"},
        {mt_format("%s", "eyJhbGciOiJFUzI1NiJ9.e30"), "three parts"},
        {mt_format("eyJhbGciOiJFUzI1NiJ9.%03000d.AAAA", 0), "longer than max_token"},
    };
    for (size_t i = 0; i < sizeof other / sizeof other[0]; i++) {
        mt_keep_text(jwt.stand, (char *)(uintptr_t)other[i][0]);
        expect_text(&jwt, mt_jwt_ask(&jwt, other[i][0], MUSTER_UNAUTHENTICATED, "LEADER", "r1"),
                    other[i][1]);
    }
    /* What is no such token is for others to know: here for nobody, and so it has no name. */
    mt_jwt_ask(&jwt, "s3cret", MUSTER_OK, "LEADER", "r1");
    mt_jwt_ask(&jwt, NULL, MUSTER_OK, "LEADER", "r1");
    mt_stand_stop(jwt.stand, daemon);
    mt_jwt_destroy(&jwt);
}

static void test_sessions_of_a_caller(void **state) {
    struct mt_jwt jwt = {0};
    (void)state;
    mt_jwt_create(&jwt, &mt_door_pubsub, keys_of(signer), CLAIMS, "deny");
    mt_stand_lead(jwt.stand, "daemon", false);
    mt_fcall(jwt.stand, "START", (const char *const[]){"a", "x1", NULL}, &(bool){false});
    const char *some = token(&jwt, "\"sub\":\"s\",\"kind\":\"instance\",\"node\":\"a\","
                                   "\"sessions\":[\"team-42-*\",\"lobby\"]");
    const char *none = token(&jwt, "\"sub\":\"s\",\"kind\":\"instance\",\"node\":\"a\"");
    mt_jwt_ask(&jwt, some, MUSTER_OK, "ENTER", "team-42-x", "c1", "a", "x1");
    mt_expect(
        mt_parsed(jwt.stand, mt_jwt_ask(&jwt, some, MUSTER_OK, "ENTER", "lobby", "c1", "a", "x1")),
        "{'joined':true,'leader':'c1','#more':0}"); /* session.lead, too */
    mt_jwt_ask(&jwt, some, MUSTER_OK, "COUNT", "lobby", "team-42-x");
    mt_jwt_ask(&jwt, some, MUSTER_OK, "LEAVE", "lobby", "c1", "a", "x1");
    for (size_t i = 0; i < 2; i++) /* asked, and remembered */
        expect_text(&jwt,
                    mt_jwt_ask(&jwt, some, MUSTER_DENIED, "ENTER", "team-43-x", "c1", "a", "x1"),
                    "the token does not allow session 'team-43-x'");
    mt_jwt_ask(&jwt, some, MUSTER_DENIED, "COUNT", "lobby", "team-43-x");
    assert_int_equal(mt_integer(jwt.stand->redis, "EXISTS " MT_NS "session:team-43-x"), 0);
    /* Other actions are not decided here, nor is anything for a token without patterns. */
    expect_text(&jwt, mt_jwt_ask(&jwt, some, MUSTER_DENIED, "KICK", "team-42-x", "c1"),
                "no authorizer allows it");
    expect_text(&jwt, mt_jwt_ask(&jwt, none, MUSTER_DENIED, "ENTER", "lobby", "c1", "a", "x1"),
                "no authorizer allows it");
    mt_jwt_destroy(&jwt);
}

/* ---- end users ---- */

static void test_credential(void **state) {
    struct mt_jwt jwt = {0};
    (void)state;
    mt_jwt_create(&jwt, &mt_door_pubsub, keys_of(signer), CLAIMS, "allow");
    struct mt_process *daemon = mt_stand_lead(jwt.stand, "daemon", false);
    const char *caller = backend(&jwt);
    const char *alice =
        token(&jwt, "\"sub\":\"alice\",\"name\":\"Al\",\"sessions\":\"team-* lobby\"");
    mt_jwt_ask(&jwt, caller, MUSTER_OK, "START", "a", "x1");
    mt_jwt_ask(&jwt, caller, MUSTER_OK, "ENTER", "lobby", "c1", "a", "x1",
               options(&jwt, alice, ""));
    mt_jwt_ask(&jwt, caller, MUSTER_OK, "ENTER", "team-1", "c2", "a", "x1",
               options(&jwt, alice, "\"user\":\"alice\""));
    mt_jwt_ask(&jwt, caller, MUSTER_OK, "REGISTER", "c3", "a", "x1", options(&jwt, alice, ""));
    expect_text(&jwt, mt_jwt_ask(&jwt, caller, MUSTER_OK, "USERS", "lobby"), "alice");
    expect_text(&jwt, mt_jwt_ask(&jwt, caller, MUSTER_OK, "CONNECTION", "c3", "a"), "alice");
    /* Another user than the token's, and another session than it allows. */
    expect_text(&jwt,
                mt_jwt_ask(&jwt, caller, MUSTER_UNAUTHENTICATED, "ENTER", "lobby", "c4", "a", "x1",
                           options(&jwt, alice, "\"user\":\"bob\"")),
                "another user");
    expect_text(&jwt,
                mt_jwt_ask(&jwt, caller, MUSTER_DENIED, "ENTER", "hall", "c4", "a", "x1",
                           options(&jwt, alice, "")),
                "does not allow session 'hall'");
    expect_text(&jwt,
                mt_jwt_ask(&jwt, caller, MUSTER_UNAUTHENTICATED, "ENTER", "lobby", "c4", "a", "x1",
                           options(&jwt, token_by(&jwt, stranger, "\"sub\":\"alice\""), "")),
                "signature");
    expect_text(&jwt,
                mt_jwt_ask(&jwt, caller, MUSTER_UNAUTHENTICATED, "ENTER", "lobby", "c4", "a", "x1",
                           options(&jwt, "s3cret", "")),
                "no authenticator knows this credential");
    assert_int_equal(mt_integer(jwt.stand->redis, "HEXISTS " MT_NS "instance:a:connections c4"), 0);
    /* Nothing of a token is left: not in the log, not in memory. Its signature is the mark. */
    char *log = mt_process_output(daemon, MT_STDERR);
    const char *mark = strrchr(alice, '.') + 20;
    assert_null(strstr(log, mark));
    assert_null(strstr(log, "alice\",\"name"));
    free(log);
    if (mt_memory_is_plain())
        assert_int_equal(mt_memory_count(mt_process_pid(daemon), mark, strlen(mark), NULL, NULL),
                         0);
    mt_stand_stop(jwt.stand, daemon);
    mt_jwt_destroy(&jwt);
}

static void test_purposes(void **state) {
    struct mt_jwt jwt = {0};
    (void)state;
    mt_jwt_create(&jwt, &mt_door_pubsub, keys_of(signer), CLAIMS ", purposes: [end_user]", "allow");
    mt_stand_lead(jwt.stand, "daemon", false);
    const char *bad = token_by(&jwt, stranger, "\"sub\":\"alice\"");
    mt_jwt_ask(&jwt, bad, MUSTER_OK, "START", "a", "x1"); /* nobody looked at it */
    mt_jwt_ask(&jwt, bad, MUSTER_UNAUTHENTICATED, "ENTER", "lobby", "c1", "a", "x1",
               options(&jwt, bad, ""));
    mt_jwt_destroy(&jwt);
}

/* ---- a caller that stays connected ---- */

static void test_expires_while_connected(void **state) {
    struct mt_jwt jwt = {0};
    bool expired = false;
    (void)state;
    mt_jwt_create(&jwt, &mt_door_line, keys_of(signer), CLAIMS, "allow");
    struct mt_stand *stand = jwt.stand;
    mt_stand_lead(stand, "daemon", false);
    long end = unix_now() + 3;
    const char *brief = mt_keep_text(
        stand,
        mt_token(signer, "{\"iss\":\"https://id\",\"aud\":\"muster\",\"sub\":\"s\",\"exp\":%ld}",
                 end));
    struct mt_client *client = stand->door->open(stand, "a", brief);
    while (!expired) {
        struct mt_answer answer = {0};
        long before = unix_now();
        mt_await(stand, client, mt_post(stand, client, "LEADER", (const char *const[]){"r1", NULL}),
                 &answer);
        long after = unix_now();
        expired = answer.status == MUSTER_UNAUTHENTICATED;
        /* Either side of the second in which it ends may have been seen. */
        if ((expired && after < end) || (!expired && before > end) ||
            (!expired && answer.status != MUSTER_OK))
            mt_fail(stand->world, "%ld s before its end: %s", end - after,
                    answer.message != NULL ? answer.message : "allowed");
        mt_answer_deinit(&answer);
        mt_let_pass(50);
    }
    stand->door->close(&client);
    mt_jwt_destroy(&jwt);
}

/* ---- the RESP door: one caller, subscriptions, numbers ---- */

static void expect_reply(const struct mt_jwt *jwt, const redisReply *reply, const char *part) {
    const char *text = reply != NULL && reply->str != NULL ? reply->str : "";
    if (reply == NULL || (part != NULL) != (reply->type == REDIS_REPLY_ERROR) ||
        (part != NULL && strstr(text, part) == NULL))
        mt_fail(jwt->stand->world, "'%s' instead of '%s'", text, part != NULL ? part : "ok");
}

static void test_subscriptions(void **state) {
    struct mt_jwt jwt = {0};
    (void)state;
    mt_jwt_create(&jwt, &mt_door_resp, keys_of(signer), CLAIMS, "deny");
    mt_stand_lead(jwt.stand, "daemon", false);
    char *socket = mt_format("%s/daemon.resp", mt_world_dir(jwt.stand->world));
    struct mt_redis *caller = mt_redis_open(
        jwt.stand->world, socket, token(&jwt, "\"sub\":\"s\",\"sessions\":[\"team-42-*\"]"));
    static const struct {
        const char *command;
        const char *says; /* NULL: allowed */
    } cases[] = {
        {"SUBSCRIBE session:team-43-a", "the token does not allow session 'team-43-a'"},
        {"SUBSCRIBE instances", "no authorizer allows it"},
        {"PSUBSCRIBE session:team-*", "the token does not allow session 'team-*'"},
        {"PSUBSCRIBE *", "the token does not allow session '*'"},
        {"PSUBSCRIBE session:team-42-b*", NULL},
        {"SUBSCRIBE session:team-42-a", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect_reply(&jwt, mt_try_command(caller, cases[i].command), cases[i].says);
    mt_redis_close(&caller);
    free(socket);
    mt_jwt_destroy(&jwt);
}

static void test_metrics(void **state) {
    struct mt_jwt jwt = {0};
    (void)state;
    mt_jwt_create(&jwt, &mt_door_resp, keys_of(signer), CLAIMS, "allow");
    mt_stand_lead(jwt.stand, "daemon", false);
    char *socket = mt_format("%s/daemon.resp", mt_world_dir(jwt.stand->world));
    mt_jwt_ask(&jwt, token(&jwt, "\"sub\":\"s\""), MUSTER_OK, "LEADER", "r1");
    mt_jwt_ask(&jwt, token_by(&jwt, stranger, "\"sub\":\"s\""), MUSTER_UNAUTHENTICATED, "LEADER",
               "r1");
    mt_jwt_ask(&jwt, token(&jwt, ""), MUSTER_UNAUTHENTICATED, "LEADER", "r1");
    struct mt_redis *operator= mt_redis_open(jwt.stand->world, socket, NULL);
    const char *text = mt_text(operator, "METRICS");
    static const char *const lines[] = {"verified_total 1",
                                        "refused_signature_total 1",
                                        "refused_claims_total 1",
                                        "refused_key_total 0",
                                        "keys 1",
                                        "reload_failures_total 0"};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        char *line = mt_format("\nmuster_plugin_auth_jwt_%s\n", lines[i]);
        expect_text(&jwt, text, line);
        free(line);
    }
    mt_redis_close(&operator);
    free(socket);
    mt_jwt_destroy(&jwt);
}

/* ---- configuration ---- */

static void expect_no_start(const struct mt_jwt *jwt, const char *config, const char *sentence) {
    char *load = mt_format("plugins.load=[{name: \"%s\", config: %s}]", MT_JWT_PLUGIN, config);
    const char *const words[] = {MUSTER_BUILD_DIR "/musterd", "--check", "--set", load, "--set",
                                 "state_dir=/nowhere",        NULL};
    struct mt_process *check = mt_process_start(jwt->stand->world, "check", words);
    int code = mt_process_wait(check);
    char *said = mt_process_output(check, MT_STDERR);
    const char *last = strstr(said, sentence);
    if (code != 2 || last == NULL)
        mt_fail(jwt->stand->world, "%s: %d, %s", config, code, said);
    free(said);
    free(load);
}

static void test_configuration(void **state) {
    struct mt_jwt jwt = {0};
    (void)state;
    mt_jwt_create(&jwt, &mt_door_pubsub, keys_of(signer), "", "deny");
    static const char *const wrong[][2] = {
        {"{jwks: \"%s\"}", "auth_jwt.algorithms"},
        {"{algorithms: [ES256]}", "auth_jwt.jwks"},
        {"{algorithms: [ES256, none], jwks: \"%s\"}", "with 'none' everybody could write a token"},
        {"{algorithms: [ES257], jwks: \"%s\"}", "there is no 'ES257'"},
        {"{algorithms: [], jwks: \"%s\"}", "has 0 items"},
        {"{algorithms: [ES256], jwks: jwks.json}", "is no absolute path"},
        {"{algorithms: [ES256], jwks: /nowhere/jwks.json}", "No such file"},
        {"{algorithms: [ES256], jwks: \"%s\", purposes: [all]}", "there is no 'all'"},
        {"{algorithms: [ES256], jwks: \"%s\", actions: [admin]}", "is not about a session"},
        {"{algorithms: [ES256], jwks: \"%s\", claims: {users: x}}", "unknown key 'users'"},
        {"{algorithms: [ES256], jwks: \"%s\", claims: {user: [x]}}", "claims.user: is no name"},
        {"{algorithms: [ES256], jwks: \"%s\", claims: [x]}", "claims: is no mapping"},
        {"{algorithms: [ES256], jwks: \"%s\", claims: {profile: x}}", "is no list"},
        {"{algorithms: [ES256], jwks: \"%s\", claims: {profile: [auth_jwt]}}", "is no name"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        const char *hole = strstr(wrong[i][0], "%s");
        char *config = hole != NULL ? mt_format("%.*s%s%s", (int)(hole - wrong[i][0]), wrong[i][0],
                                                jwt.path, hole + 2)
                                    : mt_format("%s", wrong[i][0]);
        expect_no_start(&jwt, config, wrong[i][1]);
        free(config);
    }
    mt_jwt_destroy(&jwt);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_caller),
        cmocka_unit_test(test_sessions_of_a_caller),
        cmocka_unit_test(test_credential),
        cmocka_unit_test(test_purposes),
        cmocka_unit_test(test_expires_while_connected),
        cmocka_unit_test(test_subscriptions),
        cmocka_unit_test(test_metrics),
        cmocka_unit_test(test_configuration),
    };
    return cmocka_run_group_tests(tests, make_keys, drop_keys);
}
