#include "contract/contract.h"

#include <ctype.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/test.h"
#include "lib/wait.h"

#define RULES MUSTER_BUILD_DIR "/tests/plugins/contract_rules.so"

enum { MOST_SETTINGS = 16, MOST_TEXTS = 1030 };

struct mt_kept {
    struct mt_kept *next;
    char *text;
    json_t *json;
};

static struct mt_kept *keep(struct mt_stand *stand, char *text, json_t *json) {
    struct mt_kept *kept = calloc(1, sizeof *kept);
    if (kept == NULL)
        abort();
    *kept = (struct mt_kept){stand->kept, text, json};
    stand->kept = kept;
    return kept;
}

const char *mt_keep_text(struct mt_stand *stand, char *text) {
    return keep(stand, text, NULL)->text;
}

/* ---- the stand ---- */

struct mt_stand *mt_stand_create(const struct mt_door *door, const char *const *set) {
    struct mt_stand *stand = calloc(1, sizeof *stand);
    if (stand == NULL)
        abort();
    signal(SIGPIPE, SIG_IGN);
    stand->door = door;
    stand->set = set;
    stand->world = mt_world_create();
    stand->server = mt_server_start(stand->world, "redis", MT_SERVER_VOLATILE, NULL);
    stand->redis = mt_server_connect(stand->server);
    return stand;
}

void mt_stand_destroy(struct mt_stand **pointer) {
    struct mt_stand *stand = *pointer;
    if (stand == NULL)
        return;
    *pointer = NULL;
    while (stand->kept != NULL) {
        struct mt_kept *kept = stand->kept;
        stand->kept = kept->next;
        free(kept->text);
        json_decref(kept->json);
        free(kept);
    }
    mt_redis_close(&stand->redis);
    mt_server_free(&stand->server);
    mt_world_destroy(&stand->world);
    free(stand);
}

struct mt_process *mt_stand_daemon(struct mt_stand *stand, const char *name, bool rules) {
    const char *settings[MOST_SETTINGS] = {rules ? "authorization.default=deny"
                                                 : "authorization.default=allow"};
    char load[1024];
    size_t count = 1;
    /* Most instances of these tests are started once and never speak again: on a slow machine they
     * must not fall silent. A test that wants that says so in its own settings, which come later.
     */
    settings[count++] = "detector.suspect_after=1h";
    settings[count++] = "detector.dead_after=2h";
    snprintf(load, sizeof load, "plugins.load=[{name: \"%s\", config: %s}%s]", stand->door->plugin,
             stand->door->config(stand, name), rules ? ", {name: \"" RULES "\"}" : "");
    settings[count++] = load;
    if (rules)
        settings[count++] = "authorization.chain=[contract_rules]";
    for (size_t i = 0; stand->set != NULL && stand->set[i] != NULL; i++) {
        assert_true(count < MOST_SETTINGS - 1);
        settings[count++] = stand->set[i];
    }
    struct mt_daemon_options options = {.server = stand->server, .set = settings};
    struct mt_process *daemon = mt_daemon_start(stand->world, name, &options);
    assert_true(stand->daemon_count < sizeof stand->daemons / sizeof stand->daemons[0]);
    stand->daemons[stand->daemon_count++] = daemon;
    return daemon;
}

struct mt_process *mt_stand_lead(struct mt_stand *stand, const char *name, bool rules) {
    struct mt_process *daemon = mt_stand_daemon(stand, name, rules);
    mt_daemon_await(daemon, "lease.acquired");
    free(mt_process_wait_line(daemon, MT_STDERR, "\"event\":\"data."));
    return daemon;
}

void mt_stand_stop(struct mt_stand *stand, struct mt_process *daemon) {
    mt_process_signal(daemon, SIGTERM);
    int code = mt_process_wait(daemon);
    if (code != 0)
        mt_fail(stand->world, "the daemon ended with %d", code);
    /* A plugin that left something open is named; so is one that misused its host. */
    char *log = mt_process_output(daemon, MT_STDERR);
    if (strstr(log, "\"event\":\"plugin.unfinished\"") != NULL ||
        strstr(log, "\"event\":\"plugin.misuse\"") != NULL)
        mt_fail(stand->world, "a plugin did not end as it should");
    free(log);
}

/* ---- requests ---- */

struct mt_argument mt_argument(const char *text) {
    return (struct mt_argument){text, strlen(text), text[0] == '{'};
}

const char *mt_next_id(struct mt_stand *stand) {
    char *id = malloc(32);
    if (id == NULL)
        abort();
    snprintf(id, 32, "q%lu", ++stand->next_id);
    return keep(stand, id, NULL)->text;
}

void mt_post_request(struct mt_stand *stand, struct mt_client *client,
                     const struct mt_request *request) {
    MT_WAIT(stand->world, stand->door->send(client, request), "somebody who takes a request");
}

const char *mt_post(struct mt_stand *stand, struct mt_client *client, const char *operation,
                    const char *const texts[]) {
    struct mt_argument arguments[MOST_TEXTS];
    struct mt_request request = {.id = mt_next_id(stand), .operation = operation};
    for (; texts[request.count] != NULL; request.count++) {
        assert_true(request.count < MOST_TEXTS);
        arguments[request.count] = mt_argument(texts[request.count]);
    }
    request.arguments = arguments;
    mt_post_request(stand, client, &request);
    return request.id;
}

void mt_answer_deinit(struct mt_answer *answer) {
    free(answer->id);
    free(answer->json);
    free(answer->message);
    *answer = (struct mt_answer){0};
}

void mt_await(struct mt_stand *stand, struct mt_client *client, const char *id,
              struct mt_answer *answer) {
    MT_WAIT(stand->world, stand->door->receive(client, answer), "an answer");
    if (answer->id == NULL || strcmp(answer->id, id) != 0)
        mt_fail(stand->world, "the answer has id %s, not %s: %s",
                answer->id != NULL ? answer->id : "null", id,
                answer->json != NULL ? answer->json : answer->message);
}

const char *mt_ask_at(struct mt_stand *stand, struct mt_client *client, const char *file, int line,
                      const char *operation, const char *const texts[]) {
    struct mt_answer answer = {0};
    mt_await(stand, client, mt_post(stand, client, operation, texts), &answer);
    if (answer.status != MUSTER_OK)
        mt_fail_at(stand->world, file, line, "%s: %s %s", operation,
                   muster_status_code(answer.status), answer.message);
    char *json = keep(stand, answer.json, NULL)->text;
    answer.json = NULL;
    mt_answer_deinit(&answer);
    return json;
}

const char *mt_turned_down_at(struct mt_stand *stand, struct mt_client *client, const char *file,
                              int line, enum muster_status status, const char *operation,
                              const char *const texts[]) {
    struct mt_answer answer = {0};
    mt_await(stand, client, mt_post(stand, client, operation, texts), &answer);
    if (answer.status != status)
        mt_fail_at(stand->world, file, line, "%s: %s %s, wanted %s", operation,
                   muster_status_code(answer.status),
                   answer.message != NULL ? answer.message : answer.json,
                   muster_status_code(status));
    if (answer.message == NULL || answer.message[0] == '\0')
        mt_fail_at(stand->world, file, line, "%s: an error without a sentence", operation);
    if (answer.retry != muster_status_retry(status))
        mt_fail_at(stand->world, file, line, "%s: retry is %d with %s", operation, answer.retry,
                   muster_status_code(status));
    char *message = keep(stand, answer.message, NULL)->text;
    answer.message = NULL;
    mt_answer_deinit(&answer);
    return message;
}

void mt_expect_silence(struct mt_stand *stand, struct mt_client *client) {
    struct mt_answer answer = {0};
    mt_await(stand, client, mt_post(stand, client, "STATUS", (const char *const[]){NULL}), &answer);
    mt_answer_deinit(&answer);
}

const char *mt_ask_until(struct mt_stand *stand, struct mt_client *client, const char *operation,
                         const char *const texts[]) {
    struct mt_wait wait = mt_wait_begin(stand->world, "a good answer", __FILE__, __LINE__);
    for (;; mt_wait_step(&wait)) {
        struct mt_argument arguments[16];
        struct mt_request request = {.id = mt_next_id(stand), .operation = operation};
        for (; texts[request.count] != NULL; request.count++)
            arguments[request.count] = mt_argument(texts[request.count]);
        request.arguments = arguments;
        if (!stand->door->send(client, &request))
            continue;
        /* An answer may never come: its daemon may die meanwhile. */
        for (unsigned tries = 0; tries < 50; tries++) {
            struct mt_answer answer = {0};
            if (!stand->door->receive(client, &answer))
                continue;
            bool mine = answer.id != NULL && strcmp(answer.id, request.id) == 0;
            char *json = answer.json;
            if (mine && answer.status == MUSTER_OK) {
                answer.json = NULL;
                mt_answer_deinit(&answer);
                return keep(stand, json, NULL)->text;
            }
            mt_answer_deinit(&answer);
            if (mine)
                break;
        }
    }
}

/* ---- beside the door ---- */

const json_t *mt_parsed(struct mt_stand *stand, const char *json) {
    json_error_t error;
    json_t *value = json_loads(json, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &error);
    if (value == NULL)
        mt_fail(stand->world, "no JSON (%s): %s", error.text, json);
    return keep(stand, NULL, value)->json;
}

const char *mt_fcall(struct mt_stand *stand, const char *operation, const char *const texts[],
                     bool *error) {
    const char *words[MOST_TEXTS + 5] = {"FCALL", NULL, "1", "{" MT_NAMESPACE "}"};
    char name[64] = "muster_";
    int count = 4;
    for (size_t i = 0; operation[i] != '\0'; i++)
        name[7 + i] = (char)tolower((unsigned char)operation[i]);
    words[1] = name;
    if (strcmp(operation, "ORDER") == 0)
        words[count++] = "somebody"; /* the door says who */
    for (size_t i = 0; texts[i] != NULL; i++)
        words[count++] = texts[i];
    redisReply *reply = redisCommandArgv(mt_redis_context(stand->redis), count, words, NULL);
    if (reply == NULL || (reply->type != REDIS_REPLY_STRING && reply->type != REDIS_REPLY_ERROR))
        mt_fail(stand->world, "%s: no string and no error", name);
    *error = reply->type == REDIS_REPLY_ERROR;
    char *text = strdup(reply->str);
    freeReplyObject(reply);
    return keep(stand, text, NULL)->text;
}
