/* The rights of a backend that has nothing but Redis, as etc/users.acl and docs/DOORS.md give them:
 * it can ask, and hear what is meant for it, and nothing else - not even what others ask. */
#include "lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "contract/doors/pubsub.h"

#define GUIDE MUSTER_SOURCE_DIR "/docs/DOORS.md"
#define SHIPPED MUSTER_SOURCE_DIR "/etc/users.acl"
#define PASSWORD "secret-of-node-1"

/* The line of a file that begins with `head`, its namespace replaced by the tests'. */
static char *from(const char *path, const char *head) {
    FILE *file = fopen(path, "re");
    char line[1024];
    char *out = NULL;
    size_t size = 0;
    assert_non_null(file);
    while (out == NULL && fgets(line, sizeof line, file) != NULL) {
        const char *at = line + strspn(line, " ");
        if (strncmp(at, head, strlen(head)) != 0)
            continue;
        FILE *memory = open_memstream(&out, &size);
        for (const char *found = NULL; (found = strstr(at, "{muster}")) != NULL;) {
            fwrite(at, 1, (size_t)(found - at), memory);
            fputs("{" MT_NAMESPACE "}", memory);
            at = found + sizeof "{muster}" - 1;
        }
        fwrite(at, 1, strcspn(at, "\n"), memory);
        fclose(memory);
    }
    fclose(file);
    if (out == NULL)
        fail_msg("%s has no line that begins with %s", path, head);
    return out;
}

/* As redis-cli would send it. */
static void run_line(struct mt_redis *redis, char *line) {
    const char *words[32];
    int count = 0;
    for (char *rest = line, *word; (word = strsep(&rest, " ")) != NULL;) {
        assert_true(count < 32);
        words[count++] = word;
    }
    redisReply *reply = redisCommandArgv(mt_redis_context(redis), count, words, NULL);
    assert_non_null(reply);
    if (reply->type == REDIS_REPLY_ERROR)
        fail_msg("%s %s %s: %s", words[0], words[1], words[2], reply->str);
    freeReplyObject(reply);
}

static struct mt_redis *log_in(struct mt_stand *stand, const char *user, const char *password) {
    struct mt_redis *redis = mt_redis_again(stand->redis);
    mt_command(redis, "AUTH %s %s", user, password);
    return redis;
}

static void expect_allowed(struct mt_stand *stand, const char *line) {
    struct mt_redis *redis = log_in(stand, "node-1", PASSWORD);
    mt_command(redis, line);
    mt_redis_close(&redis);
}

static void expect_no_right(struct mt_stand *stand, const char *line) {
    struct mt_redis *redis = log_in(stand, "node-1", PASSWORD);
    const redisReply *reply = mt_try_command(redis, line);
    if (reply == NULL || reply->type != REDIS_REPLY_ERROR || strncmp(reply->str, "NOPERM", 6) != 0)
        mt_fail(stand->world, "%s is allowed", line);
    mt_redis_close(&redis);
}

static const redisReply *field(const redisReply *map, const char *name) {
    for (size_t i = 0; i + 1 < map->elements; i += 2) {
        if (strcmp(map->element[i]->str, name) == 0)
            return map->element[i + 1];
    }
    fail_msg("no field %s", name);
    return NULL;
}

static bool same(const redisReply *a, const redisReply *b) {
    if (a->type != b->type || a->elements != b->elements)
        return false;
    for (size_t i = 0; i < a->elements; i++) {
        if (!same(a->element[i], b->element[i]))
            return false;
    }
    return a->type != REDIS_REPLY_STRING || strcmp(a->str, b->str) == 0;
}

static void test_rights(void **state) {
    struct mt_stand *stand = *state;
    static const char *const allowed[] = {
        "PUBLISH " MT_NS "request {}",
        "SUBSCRIBE " MT_NS "inbox:node-1",
        "SUBSCRIBE " MT_NS "events:session:room-1",
        "SUBSCRIBE " MT_NS "events:instances",
        "PSUBSCRIBE " MT_NS "events:*",
        "PING",
    };
    static const char *const refused[] = {
        "SUBSCRIBE " MT_NS "request",
        "PSUBSCRIBE *",
        "PSUBSCRIBE " MT_NS "*",
        "PSUBSCRIBE " MT_NS "re*",
        "PSUBSCRIBE " MT_NS "inbox:*",
        "SUBSCRIBE " MT_NS "inbox:node-2",
        "SUBSCRIBE " MT_NS "inbox:node-11",
        "PUBLISH " MT_NS "inbox:node-2 x",
        "PUBLISH " MT_NS "inbox:node-1 x",
        "PUBLISH " MT_NS "events:instances x",
        "PUBLISH " MT_NS "heartbeat x",
        "GET " MT_NS "epoch",
        "HGETALL " MT_NS "session:room-1",
        "MONITOR",
        "FCALL muster_version 1 {t}",
        "PUBSUB CHANNELS",
        "CLIENT LIST",
        "CONFIG GET *",
    };
    for (size_t i = 0; i < sizeof allowed / sizeof allowed[0]; i++)
        expect_allowed(stand, allowed[i]);
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        expect_no_right(stand, refused[i]);
}

/* What the guide says, and what is shipped, are the same rights. */
static void test_guide(void **state) {
    static const char *const fields[] = {"commands", "keys", "channels", "selectors"};
    struct mt_stand *stand = *state;
    const redisReply *shipped = mt_command(stand->redis, "ACL GETUSER node-1");
    char *line = from(GUIDE, "ACL SETUSER node-1 ");
    mt_command(stand->redis, "ACL DELUSER node-1");
    run_line(stand->redis, line);
    free(line);
    const redisReply *guide = mt_command(stand->redis, "ACL GETUSER node-1");
    assert_int_equal(shipped->elements, guide->elements);
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        assert_true(same(field(shipped, fields[i]), field(guide, fields[i])));
}

/* Why the guide has selectors: without them, whoever may ask may listen to what all others ask. */
static void test_without_selectors(void **state) {
    struct mt_stand *stand = *state;
    mt_command(stand->redis,
               "ACL SETUSER plain on >plain -@all +publish +subscribe &" MT_NS "request");
    struct mt_redis *redis = log_in(stand, "plain", "plain");
    mt_command(redis, "SUBSCRIBE " MT_NS "request");
    mt_redis_close(&redis);
}

/* With these rights alone a backend asks and is answered. */
static void test_asks(void **state) {
    struct mt_stand *stand = *state;
    char url[256];
    char *out = NULL;
    mt_stand_lead(stand, "daemon", true);
    snprintf(url, sizeof url, "unix://node-1:" PASSWORD "@%s", mt_server_socket(stand->server));
    const char *const argv[] = {MUSTER_BUILD_DIR "/musterctl",
                                "--url",
                                url,
                                "--namespace",
                                MT_NAMESPACE,
                                "--via",
                                "pubsub",
                                "--token",
                                "instance:node-1",
                                "--instance",
                                "node-1",
                                "call",
                                "START",
                                "node-1",
                                "k1",
                                NULL};
    assert_int_equal(mt_process_run(stand->world, "musterctl", argv, &out), 0);
    json_t *answer = json_loads(out, 0, NULL);
    mt_expect(answer, "{'instance':'node-1','incarnation':'k1','state':'up','#more':0}");
    json_decref(answer);
    free(out);
}

static int set_up(void **state) {
    struct mt_stand *stand = mt_stand_create(&mt_door_pubsub, NULL);
    char line[1024];
    char *shipped = from(SHIPPED, "user node-1 off ");
    snprintf(line, sizeof line, "ACL SETUSER node-1 %s on >" PASSWORD,
             shipped + sizeof "user node-1 off " - 1);
    mt_command(stand->redis, "ACL DELUSER node-1"); /* lib/access.h may have made one */
    run_line(stand->redis, line);
    free(shipped);
    *state = stand;
    return 0;
}

static int tear_down(void **state) {
    mt_stand_destroy((struct mt_stand **)state);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_rights, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_guide, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_without_selectors, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_asks, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
