/* The keys of auth_jwt change while it works: under load, for the worse, at SIGHUP. */
#include "lib/test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "contract/doors/pubsub.h"
#include "contract/jwt.h"
#include "lib/wait.h"

#define CONFIG ", algorithms: [ES256], claims: {sessions: sessions}"

enum {
    ROTATIONS = 30,
    A_ROTATION = 120, /* requests that are sent while the keys change once */
    WINDOW = 90,      /* requests on their way at once */
    KEPT = 3,         /* keys in the file: the last, this and the next */
    SIGNERS = ROTATIONS + KEPT
};

/* What a request must be answered. */
enum expectation { GOOD, FORGED, RETIRED, EXPECTATIONS };

struct load {
    struct mt_jwt jwt;
    struct mt_client *client;
    struct mt_signer *signers[SIGNERS];
    char *tokens[SIGNERS][EXPECTATIONS]; /* of RETIRED: one whose key has gone */
    unsigned sent, answered;
    unsigned good, refused;
};

static char *token_of(const struct mt_signer *signer) {
    return mt_token(signer, "{\"sub\":\"s\",\"exp\":9999999999}");
}

/* ---- under load ---- */

static char *keys_around(const struct load *load, size_t rotation) {
    char *list = mt_format("%s", "");
    for (size_t i = rotation; i < rotation + KEPT; i++) {
        char *jwk = mt_signer_jwk(load->signers[i], NULL);
        char *longer = mt_format("%s%s%s", list, i > rotation ? "," : "", jwk);
        free(jwk);
        free(list);
        list = longer;
    }
    char *set = mt_format("{\"keys\":[%s]}", list);
    free(list);
    return set;
}

static void make_tokens(struct load *load) {
    for (size_t i = 0; i < SIGNERS; i++) {
        char kid[16];
        snprintf(kid, sizeof kid, "k%zu", i);
        load->signers[i] = mt_signer_create("ES256", kid);
        struct mt_signer *forger = mt_signer_create("ES256", kid);
        load->tokens[i][GOOD] = token_of(load->signers[i]);
        load->tokens[i][FORGED] = token_of(forger);
        /* Gone for long: it may not even be among those that a thread still works with. */
        load->tokens[i][RETIRED] = i >= 6 ? token_of(load->signers[i - 6]) : NULL;
        mt_signer_destroy(&forger);
    }
}

static void drop_tokens(struct load *load) {
    for (size_t i = 0; i < SIGNERS; i++) {
        mt_signer_destroy(&load->signers[i]);
        for (size_t j = 0; j < EXPECTATIONS; j++)
            free(load->tokens[i][j]);
    }
}

static bool take_answer(struct load *load) {
    struct mt_stand *stand = load->jwt.stand;
    struct mt_answer answer = {0};
    if (!stand->door->receive(load->client, &answer))
        return false;
    bool good = answer.status == MUSTER_OK;
    const char *wanted = answer.id[0] == 'f'   ? "signature of the token is wrong"
                         : answer.id[0] == 'r' ? "no key has the kid"
                                               : NULL;
    if (good != (wanted == NULL) || (wanted != NULL && (answer.status != MUSTER_UNAUTHENTICATED ||
                                                        strstr(answer.message, wanted) == NULL)))
        mt_fail(stand->world, "request %s: %s", answer.id, good ? "allowed" : answer.message);
    load->good += good ? 1 : 0;
    load->refused += good ? 0 : 1;
    load->answered++;
    mt_answer_deinit(&answer);
    return true;
}

static void send_one(struct load *load, size_t rotation) {
    struct mt_stand *stand = load->jwt.stand;
    /* Every fourth is forged or retired. */
    enum expectation kind = load->sent % 4 != 3 ? GOOD : load->sent % 8 == 3 ? FORGED : RETIRED;
    const char *token = load->tokens[rotation + 1][kind];
    if (token == NULL)
        token = load->tokens[rotation + 1][kind = GOOD];
    while (load->sent - load->answered >= WINDOW)
        MT_WAIT(stand->world, take_answer(load), "an answer");
    char *text =
        mt_format("{\"id\":\"%c%u\",\"op\":\"LEADER\",\"args\":[\"r1\"],\"instance\":\"a\","
                  "\"reply_to\":\"" MT_NS "inbox:a\",\"token\":\"%s\"}",
                  "gfr"[kind], load -> sent, token);
    assert_true(stand->door->send_raw(load->client, text, strlen(text)));
    load->sent++;
    free(text);
}

static void test_rotation_under_load(void **state) {
    struct load load = {.sent = 0};
    (void)state;
    make_tokens(&load);
    mt_jwt_create(&load.jwt, &mt_door_pubsub, keys_around(&load, 0), CONFIG, "allow");
    struct mt_stand *stand = load.jwt.stand;
    struct mt_process *daemon = mt_stand_lead(stand, "daemon", false);
    load.client = stand->door->open(stand, "a", NULL);
    for (size_t rotation = 0; rotation < ROTATIONS; rotation++) {
        if (rotation > 0)
            mt_jwt_write(&load.jwt, keys_around(&load, rotation), 0600);
        /* The key in the middle was in the file before, and is in the next one, too: requests that
         * are still on their way then. */
        for (size_t i = 0; i < A_ROTATION; i++)
            send_one(&load, rotation);
        if (rotation > 0)
            mt_daemon_await(daemon, "plugin.auth_jwt.keys_loaded");
    }
    while (load.answered < load.sent)
        MT_WAIT(stand->world, take_answer(&load), "an answer");
    print_message("%u allowed, %u refused\n", load.good, load.refused);
    assert_int_equal(load.sent, ROTATIONS * A_ROTATION);
    assert_true(load.good > load.sent / 2 && load.refused > load.sent / 5);
    stand->door->close(&load.client);
    mt_stand_stop(stand, daemon);
    mt_jwt_destroy(&load.jwt);
    drop_tokens(&load);
}

/* Thousands at once: they wait in the plugin, and none is refused for it. */
static void test_burst(void **state) {
    struct load load = {.sent = 0};
    enum { BURST = 1500 };
    (void)state;
    make_tokens(&load);
    mt_jwt_create(&load.jwt, &mt_door_pubsub, keys_around(&load, 0), CONFIG ", max_waiting: 2000",
                  "allow");
    struct mt_stand *stand = load.jwt.stand;
    struct mt_process *daemon = mt_stand_lead(stand, "daemon", false);
    load.client = stand->door->open(stand, "a", NULL);
    mt_process_signal(daemon, SIGSTOP);
    for (unsigned i = 0; i < BURST; i++) {
        char *text =
            mt_format("{\"id\":\"g%u\",\"op\":\"LEADER\",\"args\":[\"r1\"],"
                      "\"instance\":\"a\",\"reply_to\":\"" MT_NS "inbox:a\",\"token\":\"%s\"}",
                      i, load.tokens[1][GOOD]);
        assert_true(stand->door->send_raw(load.client, text, strlen(text)));
        load.sent++;
        free(text);
    }
    mt_process_signal(daemon, SIGCONT);
    while (load.answered < load.sent)
        MT_WAIT(stand->world, take_answer(&load), "an answer");
    assert_int_equal(load.good, BURST);
    stand->door->close(&load.client);
    mt_stand_stop(stand, daemon);
    mt_jwt_destroy(&load.jwt);
    drop_tokens(&load);
}

/* More than may wait: refused, to be tried again; and the daemon goes on. */
static void test_too_many_wait(void **state) {
    struct mt_jwt jwt = {0};
    struct mt_signer *signer = mt_signer_create("ES256", "k1");
    enum { BURST = 300 };
    unsigned counts[2] = {0, 0};
    char *token = token_of(signer);
    (void)state;
    mt_jwt_create(&jwt, &mt_door_pubsub, mt_jwks(mt_signer_jwk(signer, NULL)),
                  CONFIG ", max_waiting: 1", "allow");
    struct mt_stand *stand = jwt.stand;
    struct mt_process *daemon = mt_stand_lead(stand, "daemon", false);
    struct mt_client *client = stand->door->open(stand, "a", token);
    mt_process_signal(daemon, SIGSTOP);
    for (unsigned i = 0; i < BURST; i++)
        mt_post(stand, client, "LEADER", (const char *const[]){"r1", NULL});
    mt_process_signal(daemon, SIGCONT);
    for (unsigned i = 0; i < BURST; i++) {
        struct mt_answer answer = {0};
        MT_WAIT(stand->world, stand->door->receive(client, &answer), "an answer");
        if (answer.status != MUSTER_OK && (answer.status != MUSTER_RATE_LIMITED || !answer.retry ||
                                           strstr(answer.message, "too many tokens wait") == NULL))
            mt_fail(stand->world, "%s", answer.message);
        counts[answer.status == MUSTER_OK ? 0 : 1]++;
        mt_answer_deinit(&answer);
    }
    assert_true(counts[0] > 0 && counts[1] > 0);
    mt_jwt_ask(&jwt, token, MUSTER_OK, "LEADER", "r1");
    stand->door->close(&client);
    mt_stand_stop(stand, daemon);
    mt_jwt_destroy(&jwt);
    free(token);
    mt_signer_destroy(&signer);
}

/* ---- for the worse ---- */

static void test_broken_file(void **state) {
    struct mt_jwt jwt = {0};
    struct mt_signer *old = mt_signer_create("ES256", "old");
    struct mt_signer *fresh = mt_signer_create("ES256", "fresh");
    struct mt_signer *secret = mt_signer_create("HS256", "hs");
    char *by_old = token_of(old);
    char *by_fresh = token_of(fresh);
    (void)state;
    mt_jwt_create(&jwt, &mt_door_pubsub, mt_jwks(mt_signer_jwk(old, NULL)), CONFIG, "allow");
    struct mt_process *daemon = mt_stand_lead(jwt.stand, "daemon", false);
    const struct {
        char *jwks;
        mode_t mode;
        const char *says;
    } broken[] = {
        {mt_format("{\"keys\":["), 0600, "is not a JSON object"},
        {mt_format("{\"keys\":[]}"), 0600, "has no key"},
        {mt_jwks(mt_signer_jwk(fresh, NULL)), 0622, "everybody may write it"},
        {mt_jwks(mt_signer_jwk(secret, NULL)), 0644, "everybody may read it"},
        {mt_jwks(mt_signer_jwk(fresh, NULL), mt_format("{\"kty\":\"oct\"}")), 0600,
         "key 2 has no good k"},
    };
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        mt_jwt_write(&jwt, broken[i].jwks, broken[i].mode);
        json_t *line = mt_daemon_wait(daemon, "plugin.auth_jwt.keys_refused");
        if (strstr(mt_str(line, "message"), broken[i].says) == NULL)
            mt_fail(jwt.stand->world, "%s", mt_str(line, "message"));
        json_decref(line);
        mt_jwt_ask(&jwt, by_old, MUSTER_OK, "LEADER", "r1");
        mt_jwt_ask(&jwt, by_fresh, MUSTER_UNAUTHENTICATED, "LEADER", "r1");
    }
    assert_int_equal(unlink(jwt.path), 0);
    mt_daemon_await(daemon, "plugin.auth_jwt.keys_refused");
    mt_jwt_ask(&jwt, by_old, MUSTER_OK, "LEADER", "r1");
    mt_jwt_write(&jwt, mt_jwks(mt_signer_jwk(fresh, NULL)), 0644);
    mt_daemon_await(daemon, "plugin.auth_jwt.keys_loaded");
    mt_jwt_ask(&jwt, by_fresh, MUSTER_OK, "LEADER", "r1");
    mt_jwt_ask(&jwt, by_old, MUSTER_UNAUTHENTICATED, "LEADER", "r1");
    /* Said once for each state of the file, though it is looked at every 10 ms. */
    char *log = mt_process_output(daemon, MT_STDERR);
    size_t said = 0;
    for (const char *at = log; (at = strstr(at, "keys_refused")) != NULL; at++)
        said++;
    assert_int_equal(said, sizeof broken / sizeof broken[0] + 1);
    free(log);
    mt_stand_stop(jwt.stand, daemon);
    mt_jwt_destroy(&jwt);
    free(by_old);
    free(by_fresh);
    mt_signer_destroy(&old);
    mt_signer_destroy(&fresh);
    mt_signer_destroy(&secret);
}

/* ---- at SIGHUP ---- */

static void test_reload(void **state) {
    struct mt_jwt jwt = {0};
    struct mt_signer *old = mt_signer_create("ES256", "old");
    struct mt_signer *fresh = mt_signer_create("ES256", "fresh");
    char *by_old = token_of(old);
    char *by_fresh = token_of(fresh);
    (void)state;
    /* Nobody looks at the file but who is told to. */
    mt_jwt_create(&jwt, &mt_door_pubsub, mt_jwks(mt_signer_jwk(old, NULL)), CONFIG, "allow");
    char *load = mt_format("plugins.load=[{name: \"%s\"}, {name: \"%s\", config: {jwks: \"%s\", "
                           "check_interval: 1h" CONFIG "}}]",
                           mt_door_pubsub.plugin, MT_JWT_PLUGIN, jwt.path);
    jwt.set[0] = mt_keep_text(jwt.stand, load);
    struct mt_process *daemon = mt_stand_lead(jwt.stand, "daemon", false);
    mt_jwt_write(&jwt, mt_format("{}"), 0600);
    mt_process_signal(daemon, SIGHUP);
    mt_daemon_await(daemon, "plugin.reload_refused");
    mt_jwt_ask(&jwt, by_old, MUSTER_OK, "LEADER", "r1");
    mt_jwt_write(&jwt, mt_jwks(mt_signer_jwk(fresh, NULL)), 0600);
    mt_process_signal(daemon, SIGHUP);
    mt_daemon_await(daemon, "plugin.reloaded");
    mt_jwt_ask(&jwt, by_fresh, MUSTER_OK, "LEADER", "r1");
    mt_jwt_ask(&jwt, by_old, MUSTER_UNAUTHENTICATED, "LEADER", "r1");
    mt_stand_stop(jwt.stand, daemon);
    mt_jwt_destroy(&jwt);
    free(by_old);
    free(by_fresh);
    mt_signer_destroy(&old);
    mt_signer_destroy(&fresh);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rotation_under_load),
        cmocka_unit_test(test_burst),
        cmocka_unit_test(test_too_many_wait),
        cmocka_unit_test(test_broken_file),
        cmocka_unit_test(test_reload),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
