/* auth_rules in a real daemon, asked through the pub/sub door: every operation allowed, denied and
 * undecided; tokens; rates; a new configuration while it runs. */
#include "lib/test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth_rules/token.h"
#include "contract/doors/pubsub.h"
#include "contract/doors/resp.h"
#include "lib/dump.h"
#include "registry/operations.h"

enum { NODE, NODE_NEXT, DESK, BLOCKED, IDLE, OLD, ADA, TOKENS };
static const char *const names[TOKENS] = {"a", "a", "desk", "blocked", "idle", "old", "ada"};

struct stage {
    struct mt_stand *stand;
    struct mt_process *daemon;
    char token[TOKENS][RULES_TOKEN_SIZE];
    char hash[TOKENS][RULES_HASH_TEXT_SIZE];
};

static int set_up(void **state) {
    struct stage *stage = calloc(1, sizeof *stage);
    assert_non_null(stage);
    stage->stand = mt_stand_create(&mt_door_pubsub, NULL);
    for (size_t i = 0; i < TOKENS; i++) {
        struct rules_token token;
        struct rules_hash hash;
        assert_true(rules_token_make(names[i], stage->token[i]));
        assert_true(rules_token_split(stage->token[i], strlen(stage->token[i]), &token));
        assert_true(rules_hash_make(token.secret, &hash));
        rules_hash_print(&hash, stage->hash[i]);
    }
    *state = stage;
    return 0;
}

static int tear_down(void **state) {
    struct stage *stage = *state;
    mt_stand_destroy(&stage->stand);
    free(stage);
    return 0;
}

#define EVERYBODY (-1)

/* The whole configuration. `node`: which token of instance a counts, or EVERYBODY: both. */
static void configure(const struct stage *stage, int node, const char *rules) {
    struct mt_world *world = stage->stand->world;
    FILE *file = fopen(mt_world_path(world, "musterd.yaml"), "we");
    assert_non_null(file);
    fprintf(file,
            "namespace: " MT_NAMESPACE "\n"
            "state_dir: %s\n"
            "redis: {mode: external, url: \"%s\"}\n"
            "coordinator: {id: d1}\n"
            "detector: {suspect_after: 1h, dead_after: 2h}\n"
            "log: {level: debug, format: json}\n"
            "authorization: {default: deny, chain: [auth_rules]}\n"
            "plugins:\n"
            "  path: " MUSTER_BUILD_DIR "/plugins\n"
            "  load:\n"
            "    - name: transport_pubsub\n"
            "    - {name: transport_resp, config: %s}\n"
            "    - name: auth_rules\n"
            "      config:\n"
            "        principals:\n",
            mt_world_path(world, "state"), mt_server_url(stage->stand->server),
            mt_door_resp.config(stage->stand, "daemon"));
    if (node == EVERYBODY)
        fprintf(file, "          a: {kind: instance, token: [\"%s\", \"%s\"]}\n", stage->hash[NODE],
                stage->hash[NODE_NEXT]);
    else
        fprintf(file, "          a: {kind: instance, token: \"%s\"}\n", stage->hash[node]);
    fprintf(file,
            "          desk: {kind: operator, token: \"%s\", roles: [staff]}\n"
            "          blocked: {kind: operator, token: \"%s\", roles: [staff, blocked]}\n"
            "          idle: {kind: operator, token: \"%s\"}\n"
            "          old: {kind: operator, token: \"%s\", expires: 2026-01-01T00:00:00Z}\n"
            "          ada: {kind: user, token: \"%s\"}\n"
            "        rules:\n%s",
            stage->hash[DESK], stage->hash[BLOCKED], stage->hash[IDLE], stage->hash[OLD],
            stage->hash[ADA], rules);
    assert_int_equal(fclose(file), 0);
}

static void start(struct stage *stage, const char *rules) {
    struct mt_world *world = stage->stand->world;
    configure(stage, EVERYBODY, rules);
    stage->daemon =
        mt_process_start(world, "musterd",
                         (const char *const[]){MUSTER_BUILD_DIR "/musterd", "--config",
                                               mt_world_path(world, "musterd.yaml"), NULL});
    mt_daemon_await(stage->daemon, "lease.acquired");
    free(mt_process_wait_line(stage->daemon, MT_STDERR, "\"event\":\"data."));
}

/* No secret of a token stands in the log. */
static void stop(struct stage *stage) {
    mt_stand_stop(stage->stand, stage->daemon);
    char *log = mt_process_output(stage->daemon, MT_STDERR);
    for (size_t i = 0; i < TOKENS; i++) {
        if (strstr(log, strchr(stage->token[i], '.') + 1) != NULL)
            mt_fail(stage->stand->world, "a token is in the log");
    }
    free(log);
}

/* One that is bound to an instance is answered there only, so of those one at a time is open. */
static struct mt_client *open_as(const struct stage *stage, int who) {
    return stage->stand->door->open(stage->stand, names[who], stage->token[who]);
}

static void expect_reason(const struct stage *stage, const char *sentence, const char *reason) {
    if (strstr(sentence, reason) == NULL)
        mt_fail(stage->stand->world, "\"%s\" does not give the reason \"%s\"", sentence, reason);
}

/* ---- every operation ---- */

struct step {
    const char *operation;
    const char *texts[10];
};

/* In an order in which each succeeds. */
static const struct step steps[] = {
    {"START", {"a", "x1"}},
    {"HEARTBEAT", {"a", "x1"}},
    {"REGISTER", {"c1", "a", "x1", "{\"user\":\"u1\"}", "{}"}},
    {"ENTER", {"r1", "c2", "a", "x1", "{\"user\":\"u2\",\"resume\":\"secret\"}", "{}"}},
    {"JOIN", {"r1", "c1", "a", "x1"}},
    {"UPDATE", {"c1", "a", "x1", "{\"v\":2}"}},
    {"TOUCH", {"a", "x1", "c1", "c9"}},
    {"CONFIGURE", {"r1", "{\"limit\":50}"}},
    {"PROMOTE", {"r1", "c1"}},
    {"MEMBERS", {"r1"}},
    {"USERS", {"r1"}},
    {"COUNT", {"r1", "r2"}},
    {"ISMEMBER", {"r1", "c1"}},
    {"LEADER", {"r1"}},
    {"CHECK", {"r1", "1"}},
    {"SESSION", {"r1"}},
    {"SESSIONS", {NULL}},
    {"CONNECTION", {"c1"}},
    {"INSTANCE", {"a"}},
    {"INSTANCES", {NULL}},
    {"STATUS", {NULL}},
    {"ORDER", {"brake-release"}},
    {"DISCONNECT", {"c2", "a", "x1", "60000"}},
    {"RESUME", {"c7", "a", "x1", "c2", "a:x1", "secret", "{\"user\":\"u2\"}", "{}"}},
    {"KICK", {"r1", "c7"}},
    {"LEAVE", {"r1", "c1", "a", "x1"}},
    {"UNREGISTER", {"c1", "a", "x1"}},
    {"DRAIN", {"a", "x1", "on"}},
    {"STOP", {"a", "x1"}},
};

/* All of the namespace but the lease, which is renewed all the time. */
static char *dump(const struct stage *stage) {
    char *text = mt_dump(stage->stand->redis);
    char *lease = strstr(text, MT_NS "coordinator (");
    if (lease != NULL) {
        char *end = strchr(strchr(lease, '\n') + 1, '\n') + 1;
        memmove(lease, end, strlen(end) + 1);
    }
    mt_redis_forget(stage->stand->redis);
    return text;
}

static void expect_no(struct stage *stage, struct mt_client *client, const struct step *step,
                      const char *reason) {
    char *before = dump(stage);
    expect_reason(stage,
                  mt_turned_down_at(stage->stand, client, __FILE__, __LINE__, MUSTER_DENIED,
                                    step->operation, step->texts),
                  reason);
    char *after = dump(stage);
    mt_assert_same_dump(before, after);
    free(before);
    free(after);
}

static void test_every_operation(void **state) {
    struct stage *stage = *state;
    bool seen[MUSTER_OPERATIONS] = {false};
    start(stage, "        - {role: blocked, operation: KICK, effect: deny, reason: be kind}\n"
                 "        - {role: blocked, effect: deny}\n"
                 "        - {role: staff, effect: allow, cache: 1m}\n");
    struct mt_client *desk = open_as(stage, DESK);
    struct mt_client *blocked = open_as(stage, BLOCKED);
    struct mt_client *idle = open_as(stage, IDLE);
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        const struct step *step = &steps[i];
        enum muster_operation operation = MUSTER_OPERATION_STATUS;
        char reason[64];
        assert_true(mu_operation_find(step->operation, strlen(step->operation), &operation));
        seen[operation] = true;
        static const char *const actions[] = {
#define NAME(name, text, covers) text,
            MUSTER_ACTION_TABLE(NAME)
#undef NAME
        };
        snprintf(reason, sizeof reason, "rule 2 denies %s",
                 actions[mu_operations[operation].action]);
        expect_no(stage, blocked, step, operation == MUSTER_OPERATION_KICK ? "be kind" : reason);
        expect_no(stage, idle, step, "no authorizer allows it");
        mt_ask_at(stage->stand, desk, __FILE__, __LINE__, step->operation, step->texts);
    }
    for (size_t i = 0; i < MUSTER_OPERATIONS; i++) {
        if (!seen[i])
            mt_fail(stage->stand->world, "%s was not asked", mu_operations[i].name);
    }
    mt_door_pubsub.close(&desk);
    mt_door_pubsub.close(&blocked);
    mt_door_pubsub.close(&idle);
    stop(stage);
}

/* ---- tokens ---- */

static void test_tokens(void **state) {
    struct stage *stage = *state;
    struct mt_stand *stand = stage->stand;
    char wrong[RULES_TOKEN_SIZE];
    start(stage, "        - {kind: anonymous, effect: deny, reason: who are you}\n"
                 "        - {kind: instance, operation: KICK, effect: deny}\n"
                 "        - {kind: instance, action: session.lead, session: crowd, effect: deny}\n"
                 "        - {kind: instance, action: session.enter, session: \"of-{user}\","
                 " effect: allow}\n"
                 "        - {kind: instance, action: session.enter, session: \"of-*\","
                 " effect: deny}\n"
                 "        - {principal: a, effect: allow}\n");
    struct mt_client *next = open_as(stage, NODE_NEXT);
    mt_ask(stand, next, "START", "a", "x1");
    mt_door_pubsub.close(&next);
    struct mt_client *node = open_as(stage, NODE);
    mt_ask(stand, node, "HEARTBEAT", "a", "x1"); /* both tokens count */
    expect_reason(stage, mt_turned_down(stand, node, MUSTER_DENIED, "START", "b", "x1"),
                  "bound to instance 'a'");
    assert_int_equal(mt_integer(stand->redis, "EXISTS " MT_NS "instance:b"), 0);
    mt_turned_down(stand, node, MUSTER_DENIED, "KICK", "r1", "c1");
    mt_expect(mt_parsed(stand, mt_ask(stand, node, "ENTER", "crowd", "c1", "a", "x1")),
              "{'leader':null,'joined':true,'#more':0}");

    struct mt_client *old = open_as(stage, OLD);
    expect_reason(stage, mt_turned_down(stand, old, MUSTER_UNAUTHENTICATED, "STATUS", NULL),
                  "the credentials of 'old' expired at 2026-01-01T00:00:00Z");
    snprintf(wrong, sizeof wrong, "a%s", strchr(stage->token[DESK], '.'));
    struct mt_client *thief = mt_door_pubsub.open(stand, "thief", wrong);
    expect_reason(stage, mt_turned_down(stand, thief, MUSTER_UNAUTHENTICATED, "STATUS", NULL),
                  "the token is not valid");
    struct mt_client *stranger = mt_door_pubsub.open(stand, "stranger", "eyJ.e30.c2ln");
    expect_reason(stage, mt_turned_down(stand, stranger, MUSTER_DENIED, "STATUS", NULL),
                  "who are you");

    /* the token of an end user */
    char options[256];
    snprintf(options, sizeof options, "{\"credential\":\"%s\"}", stage->token[ADA]);
    mt_ask(stand, node, "ENTER", "of-ada", "c2", "a", "x1", options);
    mt_expect(mt_parsed(stand, mt_ask(stand, node, "CONNECTION", "c2")),
              "{'user':'ada','#more':0}");
    expect_reason(
        stage,
        mt_turned_down(stand, node, MUSTER_DENIED, "ENTER", "of-bob", "c3", "a", "x1", options),
        "rule 5 denies session.enter");
    snprintf(options, sizeof options, "{\"credential\":\"%s\",\"user\":\"bob\"}",
             stage->token[ADA]);
    mt_turned_down(stand, node, MUSTER_UNAUTHENTICATED, "REGISTER", "c3", "a", "x1", options);
    snprintf(options, sizeof options, "{\"credential\":\"%s\"}", stage->token[DESK]);
    expect_reason(
        stage,
        mt_turned_down(stand, node, MUSTER_UNAUTHENTICATED, "REGISTER", "c3", "a", "x1", options),
        "not an end user's");
    mt_door_pubsub.close(&node);
    mt_door_pubsub.close(&old);
    mt_door_pubsub.close(&thief);
    mt_door_pubsub.close(&stranger);
    stop(stage);
}

/* ---- rates ---- */

static void test_rate(void **state) {
    struct stage *stage = *state;
    struct mt_stand *stand = stage->stand;
    start(stage, "        - {action: session.*, effect: allow,"
                 " rate: {requests: 3, per: 12h, burst: 4}}\n"
                 "        - {effect: allow}\n");
    struct mt_client *desk = open_as(stage, DESK);
    struct mt_client *node = open_as(stage, NODE);
    mt_ask(stand, node, "START", "a", "x1");
    /* ENTER asks whether it may lead as well; that is not counted again. */
    mt_ask(stand, node, "ENTER", "r1", "c1", "a", "x1");
    mt_ask(stand, node, "COUNT", "r1", "r2"); /* two questions */
    mt_ask(stand, node, "LEADER", "r1");
    expect_reason(stage, mt_turned_down(stand, node, MUSTER_RATE_LIMITED, "LEADER", "r1"),
                  "rule 1 allows 3 requests in 43200000 ms; try again in 14");
    mt_turned_down(stand, node, MUSTER_RATE_LIMITED, "ENTER", "r2", "c1", "a", "x1");
    assert_int_equal(mt_integer(stand->redis, "EXISTS " MT_NS "session:r2"), 0);
    mt_ask(stand, node, "INSTANCES", NULL); /* another rule */
    mt_ask(stand, desk, "LEADER", "r1");    /* another principal */
    mt_door_pubsub.close(&desk);
    mt_door_pubsub.close(&node);
    stop(stage);
}

/* ---- quotas: Redis counts, for whom the rule says ---- */

static void test_quota(void **state) {
    struct stage *stage = *state;
    struct mt_stand *stand = stage->stand;
    start(stage,
          "        - {operation: [REGISTER, ENTER, JOIN, RESUME], user: \"*\", effect: allow,"
          " cache: 1m, quota: {connections: 1, per: user}}\n"
          "        - {operation: [ENTER, JOIN], effect: allow, quota: {sessions: 2}}\n"
          "        - {effect: allow}\n");
    struct mt_client *node = open_as(stage, NODE);
    const char *ada = "{\"user\":\"ada\"}";
    mt_ask(stand, node, "START", "a", "x1");
    for (int i = 0; i < 2; i++) /* the second time from the cache, and it is the same connection */
        mt_ask(stand, node, "ENTER", "r1", "c1", "a", "x1", ada);
    mt_turned_down(stand, node, MUSTER_RATE_LIMITED, "ENTER", "r1", "c2", "a", "x1", ada);
    mt_turned_down(stand, node, MUSTER_RATE_LIMITED, "REGISTER", "c2", "a", "x1", ada);
    assert_int_equal(mt_integer(stand->redis, "HEXISTS " MT_NS "session:r1 c2"), 0);
    mt_ask(stand, node, "ENTER", "r1", "c2", "a", "x1", "{\"user\":\"bob\"}");
    mt_ask(stand, node, "ENTER", "r1", "c3", "a", "x1"); /* nobody's: the principal's */
    mt_ask(stand, node, "ENTER", "r2", "c3", "a", "x1");
    mt_turned_down(stand, node, MUSTER_RATE_LIMITED, "ENTER", "r3", "c3", "a", "x1");
    mt_ask(stand, node, "LEAVE", "r1", "c3", "a", "x1");
    mt_ask(stand, node, "ENTER", "r3", "c3", "a", "x1");
    mt_door_pubsub.close(&node);
    stop(stage);
}

/* ---- a new configuration ---- */

static void reload(struct stage *stage, const char *line, const char *event) {
    mt_process_signal(stage->daemon, SIGHUP);
    free(mt_process_wait_line(stage->daemon, MT_STDERR, line));
    mt_daemon_await(stage->daemon, event);
}

static void test_reload(void **state) {
    struct stage *stage = *state;
    struct mt_stand *stand = stage->stand;
    start(stage, "        - {effect: allow, cache: 1h}\n");
    struct mt_client *node = open_as(stage, NODE);
    mt_ask(stand, node, "START", "a", "x1");
    mt_ask(stand, node, "LEADER", "r1");

    /* Wrong in one place: nothing of it counts, though the old token is gone in it. */
    configure(stage, NODE_NEXT,
              "        - {action: session.read, effect: deny}\n"
              "        - {effect: alow}\n");
    reload(stage, "rules: rule 2: effect: 'alow' is not known", "config.refused");
    mt_ask(stand, node, "LEADER", "r1");

    configure(stage, NODE_NEXT,
              "        - {action: session.read, effect: deny}\n"
              "        - {effect: allow}\n");
    reload(stage, "plugin.reloaded", "config.reloaded");
    mt_turned_down(stand, node, MUSTER_UNAUTHENTICATED, "LEADER", "r1");
    mt_door_pubsub.close(&node);
    struct mt_client *next = open_as(stage, NODE_NEXT);
    expect_reason(stage, mt_turned_down(stand, next, MUSTER_DENIED, "LEADER", "r1"),
                  "rule 1 denies session.read"); /* what was cached is forgotten */
    mt_ask(stand, next, "HEARTBEAT", "a", "x1");
    mt_door_pubsub.close(&next);
    stop(stage);
}

/* A connection that was authenticated before asks on with a token that counts no longer. */
static void test_revoked(void **state) {
    struct stage *stage = *state;
    struct mt_stand *stand = stage->stand;
    stand->door = &mt_door_resp;
    start(stage, "        - {effect: allow, cache: 1h}\n");
    struct mt_client *node = open_as(stage, NODE);
    struct mt_client *next = open_as(stage, NODE_NEXT);
    mt_ask(stand, node, "START", "a", "x1");
    mt_ask(stand, next, "HEARTBEAT", "a", "x1");
    configure(stage, NODE_NEXT, "        - {effect: allow, cache: 1h}\n");
    reload(stage, "plugin.reloaded", "config.reloaded");
    mt_ask(stand, next, "HEARTBEAT", "a", "x1");
    expect_reason(stage,
                  mt_turned_down(stand, node, MUSTER_UNAUTHENTICATED, "HEARTBEAT", "a", "x1"),
                  "the credentials count no longer; authenticate again");
    stand->door->close(&node);
    stand->door->close(&next);
    stop(stage);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_operation, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_tokens, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_rate, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_quota, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_reload, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_revoked, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
