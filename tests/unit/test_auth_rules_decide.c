/* auth_rules without a daemon: who is known by which credentials, and which rule decides what. */
#include "lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit/auth_rules_read.h"

#define NOW UINT64_C(1800000000000) /* 2027-01-15 */

/* ---- who is it ---- */

/* A token for `name`, and its hash as the configuration has it. */
static void make(const char *name, char token[RULES_TOKEN_SIZE], char hash[RULES_HASH_TEXT_SIZE]) {
    struct rules_token split;
    struct rules_hash made;
    assert_true(rules_token_make(name, token));
    assert_true(rules_token_split(token, strlen(token), &split));
    assert_true(rules_hash_make(split.secret, &made));
    rules_hash_print(&made, hash);
}

struct ask {
    const char *token, *user, *certificate, *requested;
    enum muster_purpose purpose;
};

static struct muster_text text_of(const char *text) {
    return (struct muster_text){text, text != NULL ? strlen(text) : 0};
}

/* NULL: `name` is the reason. */
static enum muster_verdict identify(const struct read *read, struct ask ask, const char **name) {
    static struct rules_identity identity;
    struct muster_credentials credentials = {
        .purpose = ask.purpose,
        .user = text_of(ask.user),
        .token = text_of(ask.token),
        .certificate = ask.certificate,
        .transport = "test",
        .requested_user = ask.requested,
    };
    enum muster_verdict verdict =
        rules_identify(&read->policy->principals, &credentials, NOW, &identity);
    *name = identity.who != NULL ? identity.who->name : identity.reason;
    assert_int_equal(identity.who != NULL, verdict == MUSTER_ALLOW);
    assert_int_equal(identity.mark != NULL, verdict == MUSTER_ALLOW);
    return verdict;
}

static void expect_known(const struct read *read, struct ask ask, const char *name) {
    const char *found = NULL;
    if (identify(read, ask, &found) != MUSTER_ALLOW)
        fail_msg("%s is not known: %s", name, found);
    assert_string_equal(found, name);
}

static void expect_refused(const struct read *read, struct ask ask, const char *reason) {
    const char *found = NULL;
    enum muster_verdict verdict = identify(read, ask, &found);
    if (verdict != MUSTER_DENY || strstr(found, reason) == NULL)
        fail_msg("verdict %d, %s; wanted: %s", (int)verdict, found, reason);
}

static void expect_stranger(const struct read *read, struct ask ask) {
    const char *found = NULL;
    assert_int_equal(identify(read, ask, &found), MUSTER_DEFER);
}

static void test_identify(void **state) {
    char text[4096];
    char token[5][RULES_TOKEN_SIZE];
    char hash[5][RULES_HASH_TEXT_SIZE];
    struct read read;
    (void)state;
    make("node-1", token[0], hash[0]);
    make("node-1", token[1], hash[1]);
    make("desk", token[2], hash[2]);
    make("old", token[3], hash[3]);
    make("ada", token[4], hash[4]);
    snprintf(text, sizeof text,
             "      principals:\n"
             "        node-1: {kind: instance, token: ['%s', '%s'], roles: [a, b]}\n"
             "        desk: {kind: operator, token: '%s', certificate: CN=desk}\n"
             "        old: {kind: operator, token: '%s', expires: 2027-01-14}\n"
             "        ada: {kind: user, token: '%s', expires: 2027-01-16}\n"
             "        gate: {kind: instance, certificate: CN=gate, instance: '*'}\n"
             "        node.2: {kind: instance, certificate: CN=two}\n",
             hash[0], hash[1], hash[2], hash[3], hash[4]);
    read_config(&read, text);
    if (read.policy == NULL)
        fail_msg("%s", read.complaint);

    expect_known(&read, (struct ask){.token = token[0]}, "node-1");
    expect_known(&read, (struct ask){.token = token[1]}, "node-1"); /* rotation: both fit */
    expect_known(&read, (struct ask){.token = token[2]}, "desk");
    expect_known(&read, (struct ask){.token = token[2], .user = "desk"}, "desk");
    expect_known(&read, (struct ask){.token = token[4]}, "ada");
    expect_known(&read, (struct ask){.certificate = "CN=desk"}, "desk");
    expect_known(&read, (struct ask){.certificate = "CN=gate", .user = "gate"}, "gate");
    expect_refused(&read, (struct ask){.token = token[2], .user = "node-1"}, "not those of");
    expect_refused(&read, (struct ask){.certificate = "CN=gate", .user = "x"}, "not those of");
    expect_refused(&read, (struct ask){.token = token[3]},
                   "the credentials of 'old' expired at 2027-01-14T00:00:00Z");

    /* One sentence, whether the name is known or not. */
    expect_refused(&read,
                   (struct ask){.token = "node-1.0123456789abcdefghijklmnopqrstuvwxyz_-ABCDE"},
                   "the token is not valid");
    expect_refused(&read,
                   (struct ask){.token = "nobody.0123456789abcdefghijklmnopqrstuvwxyz_-ABCDE"},
                   "the token is not valid");
    expect_refused(&read, (struct ask){.token = "gate.0123456789abcdefghijklmnopqrstuvwxyz_-ABCDE"},
                   "the token is not valid");
    expect_refused(&read, (struct ask){.token = "old.0123456789abcdefghijklmnopqrstuvwxyz_-ABCDE"},
                   "the token is not valid");
    char wrong[RULES_TOKEN_SIZE];
    snprintf(wrong, sizeof wrong, "node-1%s", strchr(token[2], '.')); /* another's secret */
    expect_refused(&read, (struct ask){.token = wrong}, "the token is not valid");

    expect_stranger(&read, (struct ask){.token = "a.b.c"});
    expect_stranger(&read, (struct ask){.token = ""});
    expect_stranger(&read, (struct ask){.token = "secret", .user = "node-1"});
    expect_stranger(&read, (struct ask){.token = "a.b.c", .certificate = "CN=desk"});
    expect_stranger(&read, (struct ask){.certificate = "CN=des"});
    expect_stranger(&read, (struct ask){.user = "desk"});
    expect_stranger(&read, (struct ask){0});

    /* as the credential of an end user */
    const enum muster_purpose end = MUSTER_PURPOSE_END_USER;
    expect_known(&read, (struct ask){.purpose = end, .token = token[4]}, "ada");
    expect_known(&read, (struct ask){.purpose = end, .token = token[4], .requested = "ada"}, "ada");
    expect_refused(&read, (struct ask){.purpose = end, .token = token[4], .requested = "bob"},
                   "not that of the user in the options");
    expect_refused(&read, (struct ask){.purpose = end, .token = token[2]}, "not an end user's");
    expect_stranger(&read, (struct ask){.purpose = end, .certificate = "CN=desk"});

    /* what they are then */
    const struct rules_principal *who = rules_principals_find(&read.policy->principals, "node-1");
    assert_string_equal(who->shown.id, "node-1");
    assert_string_equal(who->shown.instance, "node-1");
    assert_int_equal(who->shown.kind, MUSTER_PRINCIPAL_INSTANCE);
    assert_int_equal(who->shown.role_count, 2);
    assert_string_equal(who->shown.roles[1], "b");
    assert_null(rules_principals_find(&read.policy->principals, "gate")->shown.instance);
    assert_null(rules_principals_find(&read.policy->principals, "desk")->shown.instance);
    assert_string_equal(rules_principals_find(&read.policy->principals, "node.2")->shown.instance,
                        "node.2");
    assert_null(rules_principals_find(&read.policy->principals, "nobody"));
    forget(&read);
}

/* ---- is it still what it was ---- */

/* As the daemon keeps it while a connection lives. */
static struct muster_principal caller_of(const struct read *read, const char *token) {
    struct muster_credentials credentials = {.token = text_of(token), .transport = "test"};
    static struct rules_identity identity;
    assert_int_equal(rules_identify(&read->policy->principals, &credentials, NOW, &identity),
                     MUSTER_ALLOW);
    struct muster_principal caller = identity.who->shown;
    caller.claims = identity.mark->text;
    return caller;
}

static void test_current(void **state) {
    char token[2][RULES_TOKEN_SIZE];
    char hash[2][RULES_HASH_TEXT_SIZE];
    char text[1024];
    struct read before;
    (void)state;
    make("a", token[0], hash[0]);
    make("a", token[1], hash[1]);
    snprintf(text, sizeof text,
             "      principals: {a: {kind: operator, token: ['%s', '%s'], roles: [x, y]}}\n",
             hash[0], hash[1]);
    read_config(&before, text);
    struct muster_principal first = caller_of(&before, token[0]);
    struct muster_principal second = caller_of(&before, token[1]);
    assert_true(rules_is_current(&before.policy->principals, &first));
    assert_true(rules_is_current(&before.policy->principals, &second));
    const struct {
        const char *more;
        int hash;
        bool first, second;
    } cases[] = {
        {"kind: operator, roles: [x, y]", 0, true, false},
        {"kind: operator, roles: [x, y]", 1, false, true},
        {"kind: operator, roles: [x, y], certificate: CN=a", 1, false, true},
        {"kind: operator, roles: [x]", 1, false, false},
        {"kind: operator, roles: [x, z]", 1, false, false},
        {"kind: user, roles: [x, y]", 1, false, false},
        {"kind: operator, roles: [x, y], instance: i", 1, false, false},
        {"kind: operator, roles: [x, y], expires: 2999-01-01", 1, false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct read after;
        snprintf(text, sizeof text, "      principals: {a: {token: '%s', %s}}\n",
                 hash[cases[i].hash], cases[i].more);
        read_config(&after, text);
        if (rules_is_current(&after.policy->principals, &first) != cases[i].first ||
            rules_is_current(&after.policy->principals, &second) != cases[i].second)
            fail_msg("case %zu: %s", i, cases[i].more);
        forget(&after);
    }
    struct read none;
    read_config(&none, "      rules: []\n");
    assert_false(rules_is_current(&none.policy->principals, &first));
    first.claims = "{\"sub\":\"a\"}"; /* known by another authenticator */
    assert_true(rules_is_current(&none.policy->principals, &first));
    first.claims = NULL;
    assert_true(rules_is_current(&none.policy->principals, &first));
    forget(&none);
    forget(&before);
}

/* ---- which rule ---- */

static const char *const roles[] = {"mod", "staff"};
static const struct muster_principal node = {
    .id = "node-1", .kind = MUSTER_PRINCIPAL_INSTANCE, .instance = "node-1"};
static const struct muster_principal mod = {
    .id = "mo", .kind = MUSTER_PRINCIPAL_OPERATOR, .roles = roles, .role_count = 2};
static const struct muster_principal ada = {.id = "ada", .kind = MUSTER_PRINCIPAL_USER};
static const struct muster_principal nobody = {.id = "anonymous",
                                               .kind = MUSTER_PRINCIPAL_ANONYMOUS};

static const char rules_text[] =
    "      rules:\n"
    "      - {kind: anonymous, effect: deny, reason: who are you}\n"              /* 1 */
    "      - {session: ['secret-*', 'vip'], role: [boss, king], effect: allow}\n" /* 2 */
    "      - {session: 'secret-*', effect: deny}\n"                               /* 3 */
    "      - {kind: [instance], action: 'instance.*', instance: '{instance}', effect: allow,"
    " cache: 5s}\n" /* 4 */
    "      - {kind: user, action: session.enter, session: 'of-{user}-*', user: '{principal}',"
    " effect: allow}\n"                    /* 5 */
    "      - {kind: user, effect: deny}\n" /* 6 */
    "      - {principal: 'node-*', operation: [ENTER, join], connection: 'node-1.*', effect: allow,"
    " quota: {connections: 5, sessions: 9}}\n" /* 7 */
    "      - {principal: [x, 'mo'], role: mod, action: [session.kick, 'session.pro*'],"
    " effect: allow, rate: {requests: 5}}\n"                                 /* 8 */
    "      - {action: events.subscribe, session: 'room-*', effect: allow}\n" /* 9 */
    "      - {action: connection.*, user: 'u-*', effect: allow,"
    " quota: {connections: 2, per: user}}\n" /* 10 */
    "      - {action: session.read, effect: allow, rate: {requests: 9, per: 2s, burst: 20,"
    " each: user}}\n"; /* 11 */

static void test_rules(void **state) {
    const struct {
        const struct muster_principal *principal;
        enum muster_action action;
        struct muster_resource resource;
        size_t rule; /* 0: none */
    } cases[] = {
        {&nobody, MUSTER_ACTION_ADMIN, {.operation = "STATUS"}, 1},
        {&nobody, MUSTER_ACTION_SESSION_READ, {.session = "secret-1"}, 1},
        {&node, MUSTER_ACTION_SESSION_READ, {.session = "secret-1"}, 3},
        {&node, MUSTER_ACTION_SESSION_READ, {.session = "vip"}, 11},
        {&node, MUSTER_ACTION_SESSION_READ, {.session = "secrets"}, 11},
        {&node, MUSTER_ACTION_INSTANCE_START, {.operation = "START", .instance = "node-1"}, 4},
        {&node, MUSTER_ACTION_INSTANCE_START, {.operation = "START", .instance = "node-2"}, 0},
        {&mod, MUSTER_ACTION_INSTANCE_START, {.operation = "START", .instance = "mo"}, 0},
        {&ada, MUSTER_ACTION_SESSION_ENTER, {.session = "of-ada-1", .user = "ada"}, 5},
        {&ada, MUSTER_ACTION_SESSION_ENTER, {.session = "of-ada-1", .user = "bob"}, 6},
        {&ada, MUSTER_ACTION_SESSION_ENTER, {.session = "of-bob-1", .user = "bob"}, 6},
        {&ada, MUSTER_ACTION_SESSION_ENTER, {.session = "of-ada-1"}, 6},
        {&node,
         MUSTER_ACTION_SESSION_ENTER,
         {.operation = "ENTER", .session = "r", .connection = "node-1.7"},
         7},
        {&node,
         MUSTER_ACTION_SESSION_ENTER,
         {.operation = "JOIN", .session = "r", .connection = "node-1.7"},
         7},
        {&node,
         MUSTER_ACTION_SESSION_ENTER,
         {.operation = "LEAVE", .session = "r", .connection = "node-1.7"},
         0},
        {&node,
         MUSTER_ACTION_SESSION_ENTER,
         {.operation = "ENTER", .session = "r", .connection = "node-2.7"},
         0},
        {&node, MUSTER_ACTION_SESSION_ENTER, {.session = "r", .connection = "node-1.7"}, 0},
        {&mod, MUSTER_ACTION_SESSION_KICK, {.session = "r"}, 8},
        {&mod, MUSTER_ACTION_SESSION_PROMOTE, {.session = "r"}, 8},
        {&mod, MUSTER_ACTION_SESSION_CONFIGURE, {.session = "r"}, 0},
        {&node, MUSTER_ACTION_SESSION_KICK, {.session = "r"}, 0},
        {&mod, MUSTER_ACTION_EVENTS_SUBSCRIBE, {.session = "room-1"}, 9},
        {&mod, MUSTER_ACTION_EVENTS_SUBSCRIBE, {.session = "room-*"}, 9},
        {&mod, MUSTER_ACTION_EVENTS_SUBSCRIBE, {.session = "room-7-*"}, 9},
        {&mod, MUSTER_ACTION_EVENTS_SUBSCRIBE, {.session = "r*"}, 0},
        {&mod, MUSTER_ACTION_EVENTS_SUBSCRIBE, {.session = "*"}, 3}, /* it holds secret-... */
        {&mod, MUSTER_ACTION_EVENTS_SUBSCRIBE, {.session = "s*-1"}, 3},
        {&node, MUSTER_ACTION_CONNECTION_REGISTER, {.operation = "REGISTER", .user = "u-1"}, 10},
        {&node, MUSTER_ACTION_CONNECTION_REGISTER, {.operation = "REGISTER", .user = "x"}, 0},
        {&node, MUSTER_ACTION_CONNECTION_REGISTER, {.operation = "REGISTER"}, 0},
    };
    struct read read;
    (void)state;
    read_config(&read, rules_text);
    if (read.policy == NULL)
        fail_msg("%s", read.complaint);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct rules_question question = {cases[i].principal, cases[i].action, &cases[i].resource};
        const struct rules_rule *rule = rules_policy_find(read.policy, &question);
        size_t number = rule != NULL ? rule->number : 0;
        if (number != cases[i].rule)
            fail_msg("case %zu: rule %zu instead of %zu", i, number, cases[i].rule);
    }
    assert_string_equal(read.policy->rules[2].place, "r.yaml:8:9");
    forget(&read);
}

static void test_fields(void **state) {
    const struct {
        size_t rule;
        const struct muster_principal *principal;
        enum muster_action action;
        struct muster_resource resource;
        const char *field;
    } cases[] = {
        {1, &node, MUSTER_ACTION_ADMIN, {0}, "kind"},
        {2, &mod, MUSTER_ACTION_ADMIN, {.session = "vip"}, "role"},
        {3, &mod, MUSTER_ACTION_ADMIN, {0}, "session"},
        {4, &node, MUSTER_ACTION_ADMIN, {0}, "action"},
        {4, &node, MUSTER_ACTION_INSTANCE_DRAIN, {.instance = "x"}, "instance"},
        {5, &ada, MUSTER_ACTION_SESSION_ENTER, {.session = "of-ada-1", .user = "b"}, "user"},
        {7, &node, MUSTER_ACTION_SESSION_ENTER, {.operation = "LEAVE"}, "operation"},
        {7, &mod, MUSTER_ACTION_SESSION_ENTER, {.operation = "ENTER"}, "principal"},
        {7, &node, MUSTER_ACTION_SESSION_ENTER, {.operation = "ENTER"}, "connection"},
    };
    struct read read;
    (void)state;
    read_config(&read, rules_text);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct rules_question question = {cases[i].principal, cases[i].action, &cases[i].resource};
        enum rules_field field =
            rules_rule_match(&read.policy->rules[cases[i].rule - 1], &question);
        if (strcmp(rules_field_names[field], cases[i].field) != 0)
            fail_msg("case %zu: '%s' instead of %s", i, rules_field_names[field], cases[i].field);
    }
    forget(&read);
}

/* ---- what it says ---- */

static enum muster_verdict say(const struct read *read, size_t number,
                               const struct muster_principal *principal, enum muster_action action,
                               const struct muster_resource *resource,
                               struct muster_decision *decision) {
    static struct rules_answer answer;
    struct rules_question question = {principal, action, resource};
    memset(decision, 0, sizeof *decision);
    return rules_say(&read->policy->rules[number - 1], &question, &answer, decision);
}

static void test_answers(void **state) {
    const struct muster_resource enter = {.operation = "ENTER", .user = "bob"};
    const struct muster_resource leave = {.operation = "LEAVE", .user = "bob"};
    const struct muster_resource registers = {.operation = "REGISTER", .user = "bob"};
    const struct muster_resource unnamed = {.operation = "REGISTER"};
    const struct muster_principal odd = {.id = "https://a/b c", .kind = MUSTER_PRINCIPAL_OPERATOR};
    struct muster_decision decision;
    struct read read;
    (void)state;
    read_config(&read, rules_text);
    assert_int_equal(say(&read, 1, &nobody, MUSTER_ACTION_ADMIN, &enter, &decision), MUSTER_DENY);
    assert_string_equal(decision.reason, "who are you");
    assert_int_equal(say(&read, 3, &node, MUSTER_ACTION_SESSION_KICK, &enter, &decision),
                     MUSTER_DENY);
    assert_string_equal(decision.reason, "rule 3 denies session.kick");
    assert_int_equal(decision.cache_ms, 0);
    assert_int_equal(say(&read, 4, &node, MUSTER_ACTION_INSTANCE_START, &leave, &decision),
                     MUSTER_ALLOW);
    assert_int_equal(decision.cache_ms, 5000);
    assert_null(decision.quota_holder);

    assert_int_equal(say(&read, 7, &node, MUSTER_ACTION_SESSION_ENTER, &enter, &decision),
                     MUSTER_ALLOW);
    assert_string_equal(decision.quota_holder, "node-1");
    assert_int_equal(decision.quota_connections, 5);
    assert_int_equal(decision.quota_sessions, 9);
    say(&read, 7, &odd, MUSTER_ACTION_SESSION_ENTER, &enter, &decision);
    assert_int_equal(strlen(decision.quota_holder), strlen("sha256=") + 64);
    say(&read, 7, &node, MUSTER_ACTION_SESSION_LEAD, &enter, &decision);
    assert_null(decision.quota_holder);
    say(&read, 7, &node, MUSTER_ACTION_SESSION_ENTER, &leave, &decision);
    assert_null(decision.quota_holder);
    say(&read, 10, &node, MUSTER_ACTION_CONNECTION_REGISTER, &registers, &decision);
    assert_string_equal(decision.quota_holder, "user=bob");
    assert_int_equal(decision.quota_sessions, 0);
    say(&read, 10, &ada, MUSTER_ACTION_CONNECTION_REGISTER, &registers, &decision);
    assert_string_equal(decision.quota_holder, "user=ada"); /* whatever she says */
    say(&read, 10, &node, MUSTER_ACTION_CONNECTION_REGISTER, &unnamed, &decision);
    assert_string_equal(decision.quota_holder, "node-1");
    forget(&read);
}

static void test_rates(void **state) {
    const struct muster_resource resource = {.operation = "MEMBERS", .user = "bob"};
    struct rules_question by_node = {&node, MUSTER_ACTION_SESSION_READ, &resource};
    struct rules_question lead = {&node, MUSTER_ACTION_SESSION_LEAD, &resource};
    char name[RULES_BUCKET_NAME_SIZE];
    struct read read;
    (void)state;
    read_config(&read, rules_text);
    const struct rules_rule *per_principal = &read.policy->rules[7];
    const struct rules_rule *per_user = &read.policy->rules[10];
    assert_int_equal(per_principal->rate.requests, 5);
    assert_int_equal(per_principal->rate.per_ms, 1000);
    assert_int_equal(per_principal->rate.burst, 5);
    assert_int_equal(per_user->rate.per_ms, 2000);
    assert_int_equal(per_user->rate.burst, 20);
    assert_true(rules_is_counted(per_user, &by_node));
    assert_false(rules_is_counted(per_user, &lead));
    assert_false(rules_is_counted(&read.policy->rules[0], &by_node));
    rules_bucket_name(per_principal, &by_node, name);
    assert_string_equal(name, "pnode-1");
    rules_bucket_name(per_user, &by_node, name);
    assert_string_equal(name, "ubob");
    forget(&read);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_identify), cmocka_unit_test(test_current),
        cmocka_unit_test(test_rules),    cmocka_unit_test(test_fields),
        cmocka_unit_test(test_answers),  cmocka_unit_test(test_rates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
