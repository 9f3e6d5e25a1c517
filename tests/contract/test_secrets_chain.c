/* Tokens and credentials appear nowhere, either, when they come through the RESP door and pass
 * auth_rules, auth_jwt and auth_http: see test_secrets.c. */
#include "lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "auth_rules/token.h"
#include "contract/doors/pubsub.h"
#include "contract/witness.h"
#include "lib/wait.h"
#include "tokens/tokens.h"

#define SERVICE MUSTER_SOURCE_DIR "/tests/contract/authorizers/service.py"
#define PLUGINS MUSTER_BUILD_DIR "/plugins/"

enum { UNRELATED = 40 };

/* Of each kind. */
enum {
    RULES,
    RULES_WRONG,
    RULES_USER,
    JWT,
    JWT_EXPIRED,
    JWT_FORGED,
    JWT_USER,
    HTTP,
    HTTP_LATE,
    HTTP_USER,
    NOBODYS,
    TOKENS
};

/* Sockets whose last request held a secret, and that stay open. */
enum { LOGGED_IN, ENTERED, BEGUN, REFUSED, OPEN };

struct chain {
    struct mt_stand *stand;
    struct mt_process *daemon;
    struct mt_witness *witness;
    const char *token[TOKENS];
    char hash[2][RULES_HASH_TEXT_SIZE]; /* of desk and ada */
    struct mt_signer *signer;
    redisContext *open[OPEN];
};

/* ---- tokens ---- */

static const char *rules_token(struct chain *chain, const char *name, char *print) {
    char *text = malloc(RULES_TOKEN_SIZE);
    struct rules_token token;
    struct rules_hash hash;
    assert_non_null(text);
    assert_true(rules_token_make(name, text));
    assert_true(rules_token_split(text, strlen(text), &token));
    assert_true(rules_hash_make(token.secret, &hash));
    rules_hash_print(&hash, print);
    return mt_keep_text(chain->stand, text);
}

static const char *jwt(struct chain *chain, const struct mt_signer *signer, const char *sub,
                       long from_now) {
    return mt_keep_text(chain->stand,
                        mt_token(signer, "{\"sub\":\"%s\",\"exp\":%ld,\"kind\":\"operator\"}", sub,
                                 (long)time(NULL) + from_now));
}

static const char *marked(struct chain *chain, const char *head) {
    char text[128];
    snprintf(text, sizeof text, "%s%s", head, mt_witness_mark(chain->witness));
    return mt_keep_text(chain->stand, strdup(text));
}

static void make_tokens(struct chain *chain) {
    char unused[RULES_HASH_TEXT_SIZE];
    struct mt_signer *forger = mt_signer_create("ES256", "k1");
    chain->signer = mt_signer_create("ES256", "k1");
    chain->token[RULES] = rules_token(chain, "desk", chain->hash[0]);
    chain->token[RULES_WRONG] = rules_token(chain, "desk", unused);
    chain->token[RULES_USER] = rules_token(chain, "ada", chain->hash[1]);
    chain->token[JWT] = jwt(chain, chain->signer, "desk", 300);
    chain->token[JWT_EXPIRED] = jwt(chain, chain->signer, "desk", -300);
    chain->token[JWT_FORGED] = jwt(chain, forger, "desk", 300);
    chain->token[JWT_USER] = jwt(chain, chain->signer, "ada", 300);
    chain->token[HTTP] = marked(chain, "allowed:");
    chain->token[HTTP_LATE] = marked(chain, "late:");
    chain->token[HTTP_USER] = marked(chain, "good:");
    chain->token[NOBODYS] = marked(chain, "nobody:");
    for (size_t i = 0; i < TOKENS; i++)
        mt_witness_keep(chain->witness, chain->token[i], false);
    mt_signer_destroy(&forger);
}

/* ---- the RESP door ---- */

static redisContext *dial(struct chain *chain) {
    const char *path = mt_world_path(chain->stand->world, "resp.sock");
    redisContext *context = NULL;
    /* Its socket is there a moment after the daemon leads. */
    MT_WAIT(chain->stand->world,
            (context = redisConnectUnix(path)) != NULL &&
                (context->err == 0 || (redisFree(context), false)),
            "the RESP door");
    redisSetTimeout(context, (struct timeval){.tv_sec = 60 * (long)mt_slowness()});
    return context;
}

/* The answer must begin with `begins`. */
static void say(struct chain *chain, redisContext *context, const char *begins,
                const char *const words[]) {
    int count = 0;
    const char *copy[16];
    for (; words[count] != NULL; count++)
        copy[count] = words[count];
    redisReply *reply = redisCommandArgv(context, count, copy, NULL);
    assert_non_null(reply);
    const char *text = reply->type == REDIS_REPLY_ARRAY ? "[" : reply->str;
    if (text == NULL || strncmp(text, begins, strlen(begins)) != 0)
        mt_fail(chain->stand->world, "%s: %s, wanted %s", words[0], text, begins);
    freeReplyObject(reply);
}
#define SAY(chain, context, begins, ...)                                                           \
    say((chain), (context), (begins), (const char *const[]){__VA_ARGS__, NULL})

static void log_in(struct chain *chain, int token, const char *begins) {
    redisContext *context = dial(chain);
    SAY(chain, context, begins, "AUTH", chain->token[token]);
    if (strcmp(begins, "OK") == 0)
        SAY(chain, context, "[", "COUNT", "r1", "r2");
    redisFree(context);
    context = dial(chain);
    SAY(chain, context, strcmp(begins, "OK") == 0 ? "[" : begins, "HELLO", "2", "AUTH", "desk",
        chain->token[token]);
    redisFree(context);
}

static const char *credential(struct chain *chain, int token) {
    char text[1024];
    snprintf(text, sizeof text, "{\"credential\":\"%s\"}", chain->token[token]);
    return mt_keep_text(chain->stand, strdup(text));
}

static void enter(struct chain *chain, redisContext *context, int token, const char *begins) {
    SAY(chain, context, begins, "ENTER", "r1", "c1", "a", "x1", credential(chain, token));
    SAY(chain, context, "{", "UNREGISTER", "c1", "a", "x1");
}

/* As bytes; whatever is said to that. */
static void throw_in(struct chain *chain, const char *format, int token, bool wait) {
    redisContext *context = dial(chain);
    char text[1024];
    char answer[256];
    const char *at = strstr(format, "%s");
    int length = snprintf(text, sizeof text, "%.*s%s%s", (int)(at - format), format,
                          chain->token[token], at + 2);
    assert_int_equal(write(context->fd, text, (size_t)length), length);
    if (wait)
        assert_true(read(context->fd, answer, sizeof answer) >= 0);
    redisFree(context);
}

static void use_resp(struct chain *chain) {
    log_in(chain, RULES, "OK");
    log_in(chain, RULES_WRONG, "WRONGPASS");
    log_in(chain, JWT, "OK");
    log_in(chain, JWT_EXPIRED, "WRONGPASS");
    log_in(chain, JWT_FORGED, "WRONGPASS");
    log_in(chain, HTTP, "OK");
    log_in(chain, NOBODYS, "WRONGPASS");
    redisContext *context = dial(chain);
    SAY(chain, context, "BAD_REQUEST", "AUTH", "two", "words", chain->token[RULES]);
    SAY(chain, context, "OK", "AUTH", chain->token[RULES]);
    SAY(chain, context, "{", "START", "a", "x1");
    enter(chain, context, RULES_USER, "{");
    enter(chain, context, JWT_USER, "{");
    enter(chain, context, HTTP_USER, "{");
    enter(chain, context, JWT_EXPIRED, "UNAUTHENTICATED");
    enter(chain, context, NOBODYS, "UNAUTHENTICATED");
    SAY(chain, context, "BAD_REQUEST", "JOIN", "r1", "c1", "a", "x1",
        credential(chain, RULES_USER));
    redisFree(context);
    throw_in(chain, "AUTH %s\r\n", RULES, true);
    throw_in(chain, "AUTH \"%s\r\n", RULES, true); /* a quote that does not close */
    throw_in(chain, "POST / HTTP/1.1\r\nAuthorization: Bearer %s\r\n\r\n", JWT, true);
    throw_in(chain, "*2\r\n$4\r\nAUTH\r\n$1000\r\n%s", JWT, false); /* cut off */
    throw_in(chain, "*1\r\n$4\r\nPING\r\n*2\r\n$4\r\nAUHT\r\n$5\r\n%s\r\n", HTTP, true);
    throw_in(chain, "*2\r\n$4\r\nAUTH\r\n$1000000000\r\n%s", HTTP, true);
}

static void stay_open(struct chain *chain) {
    for (size_t i = 0; i < OPEN; i++)
        chain->open[i] = dial(chain);
    SAY(chain, chain->open[LOGGED_IN], "OK", "AUTH", chain->token[JWT]);
    SAY(chain, chain->open[ENTERED], "OK", "AUTH", chain->token[RULES]);
    SAY(chain, chain->open[ENTERED], "{", "ENTER", "r1", "c2", "a", "x1",
        credential(chain, JWT_USER));
    SAY(chain, chain->open[REFUSED], "BAD_REQUEST", "AUHT", chain->token[HTTP]);
    /* A request is over, and a small part of the next is there. */
    SAY(chain, chain->open[BEGUN], "OK", "AUTH", chain->token[HTTP]);
    assert_int_equal(write(chain->open[BEGUN]->fd, "*2\r\n$4\r\nAU", 10), 10);
}

/* ---- the pub/sub door ---- */

static void ask_as(struct chain *chain, int token, enum muster_status status) {
    struct mt_stand *stand = chain->stand;
    struct mt_answer answer = {0};
    struct mt_client *client = stand->door->open(stand, "a", chain->token[token]);
    mt_await(stand, client, mt_post(stand, client, "MEMBERS", (const char *const[]){"r1", NULL}),
             &answer);
    if (answer.status != status)
        mt_fail(stand->world, "token %d: %s %s", token, muster_status_code(answer.status),
                answer.message != NULL ? answer.message : answer.json);
    mt_answer_deinit(&answer);
    stand->door->close(&client);
}

static void use_pubsub(struct chain *chain) {
    ask_as(chain, RULES, MUSTER_OK);
    ask_as(chain, RULES_WRONG, MUSTER_UNAUTHENTICATED);
    ask_as(chain, JWT, MUSTER_OK);
    ask_as(chain, JWT_EXPIRED, MUSTER_UNAUTHENTICATED);
    ask_as(chain, JWT_FORGED, MUSTER_UNAUTHENTICATED);
    ask_as(chain, HTTP, MUSTER_OK);
    ask_as(chain, HTTP_LATE, MUSTER_TIMEOUT);
    ask_as(chain, NOBODYS, MUSTER_DENIED);
}

/* ---- the case ---- */

static void start(struct chain *chain) {
    static const char *set[4];
    struct mt_world *world = chain->stand->world;
    const char *keys = mt_world_path(world, "keys.json");
    char load[4096];
    char *line = NULL;
    struct mt_process *service = mt_process_start(
        world, "service", (const char *const[]){SERVICE, mt_world_path(world, "gate"), NULL});
    MT_WAIT(world, (line = mt_process_next_line(service, MT_STDOUT)) != NULL,
            "the port of the service");
    FILE *file = fopen(keys, "we");
    char *jwks = mt_jwks(mt_signer_jwk(chain->signer, NULL), NULL);
    assert_non_null(file);
    fputs(jwks, file);
    assert_int_equal(fclose(file), 0);
    snprintf(load, sizeof load,
             "plugins.load=[{name: \"" PLUGINS "transport_pubsub.so\"},"
             " {name: \"" PLUGINS "transport_resp.so\", config: {listen: [\"unix://%s\"]}},"
             " {name: \"" PLUGINS "auth_rules.so\", config: {principals: {desk: {kind: operator,"
             " token: \"%s\"}, ada: {kind: user, token: \"%s\"}}, rules: [{principal: desk,"
             " effect: allow, cache: 1m}]}},"
             " {name: \"" PLUGINS "auth_jwt.so\", config: {algorithms: [ES256], jwks: \"%s\","
             " claims: {user: sub, kind: kind}}},"
             " {name: \"" PLUGINS "auth_http.so\", config: {timeout: 1m,"
             " url: \"http://127.0.0.1:%s/\", authenticate_url: \"http://127.0.0.1:%s/\"}}]",
             mt_world_path(world, "resp.sock"), chain->hash[0], chain->hash[1], keys, line, line);
    set[0] = mt_keep_text(chain->stand, strdup(load));
    set[1] = "authorization.chain=[auth_rules, auth_jwt, auth_http]";
    set[2] = "limits.request_timeout=2s";
    chain->stand->set = set;
    chain->daemon = mt_stand_lead(chain->stand, "daemon", false);
    free(jwks);
    free(line);
}

static void test_nowhere(void **state) {
    struct mt_stand *stand = *state;
    struct chain chain = {.stand = stand, .witness = mt_witness_create(stand)};
    make_tokens(&chain);
    start(&chain);
    use_resp(&chain);
    use_pubsub(&chain);
    stay_open(&chain);
    redisContext *context = dial(&chain);
    for (size_t i = 0; i < UNRELATED; i++)
        SAY(&chain, context, "PONG", "PING");
    redisFree(context);
    mt_witness_judge(chain.witness, chain.daemon);
    for (size_t i = 0; i < OPEN; i++)
        redisFree(chain.open[i]);
    mt_stand_stop(stand, chain.daemon);
    mt_witness_destroy(&chain.witness);
    mt_signer_destroy(&chain.signer);
}

static int set_up(void **state) {
    *state = mt_stand_create(&mt_door_pubsub, NULL);
    return 0;
}

static int tear_down(void **state) {
    mt_stand_destroy((struct mt_stand **)state);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nowhere, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
