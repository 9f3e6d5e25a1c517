#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "contract/authorizers/authority.h"
#include "contract/doors/pubsub.h"
#include "lib/dump.h"
#include "lib/test.h"

const char *mt_authority_doors(struct mt_stand *stand) {
    char load[512];
    snprintf(load, sizeof load,
             "{name: \"" MUSTER_BUILD_DIR "/plugins/transport_pubsub.so\"},"
             " {name: \"" MUSTER_BUILD_DIR "/plugins/transport_resp.so\","
             " config: {listen: [\"unix://%s\"]}}",
             mt_world_path(stand->world, "resp.sock"));
    return mt_keep_text(stand, strdup(load));
}

static int set_up(void **state) {
    struct mt_suite *suite = calloc(1, sizeof *suite);
    size_t count = 0;
    if (suite == NULL)
        abort();
    suite->authority = *state;
    suite->stand = mt_stand_create(&mt_door_pubsub, suite->set);
    const char *const *more = suite->authority->settings(suite->stand);
    /* A machine may stand still; what is to be late says itself how long it waits. */
    suite->set[count++] = "limits.request_timeout=2m";
    suite->set[count++] = "authorization.default=deny"; /* the place of mt_suite_lead()'s */
    for (size_t i = 0; more[i] != NULL; i++) {
        assert_true(count < sizeof suite->set / sizeof suite->set[0] - 1);
        suite->set[count++] = more[i];
    }
    *state = suite;
    return 0;
}

static int tear_down(void **state) {
    struct mt_suite *suite = *state;
    mt_stand_destroy(&suite->stand);
    free(suite);
    return 0;
}

int mt_authority_run(const struct mt_authority *authority) {
    char name[64];
    struct CMUnitTest tests[] = {
#define CASE(case_name) {#case_name, mt_authority_##case_name, set_up, tear_down, NULL},
        MT_AUTHORITY_CASES(CASE)
#undef CASE
    };
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++)
        tests[i].initial_state = (void *)(uintptr_t)authority;
    snprintf(name, sizeof name, "contract of %s", authority->name);
    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

/* ---- for the cases ---- */

struct mt_process *mt_suite_lead(struct mt_suite *suite, const char *name, const char *otherwise) {
    suite->set[1] = strcmp(otherwise, "allow") == 0 ? "authorization.default=allow"
                                                    : "authorization.default=deny";
    return mt_stand_lead(suite->stand, name, false);
}

struct mt_asker mt_suite_asker(struct mt_suite *suite, enum mt_says says, const char *instance) {
    struct mt_asker asker = suite->authority->asker(suite->stand, says, instance);
    if (!asker.possible) {
        print_message("%s never says so\n", suite->authority->plugin);
        skip();
    }
    return asker;
}

struct mt_client *mt_suite_open(struct mt_suite *suite, const struct mt_asker *asker,
                                const char *instance) {
    return suite->stand->door->open(suite->stand, instance, asker->token);
}

void mt_suite_expect(struct mt_suite *suite, struct mt_client *client, enum muster_status status,
                     const char *part, const char *operation, const char *const texts[]) {
    struct mt_stand *stand = suite->stand;
    struct mt_answer answer = {0};
    mt_await(stand, client, mt_post(stand, client, operation, texts), &answer);
    const char *said = answer.message != NULL ? answer.message : answer.json;
    if (answer.status != status)
        mt_fail(stand->world, "%s: %s %s, wanted %s", operation, muster_status_code(answer.status),
                said, muster_status_code(status));
    if (part != NULL && strstr(said, part) == NULL)
        mt_fail(stand->world, "%s: \"%s\" does not say \"%s\"", operation, said, part);
    if (status != MUSTER_OK && answer.retry != muster_status_retry(status))
        mt_fail(stand->world, "%s: retry is %d with %s", operation, answer.retry,
                muster_status_code(status));
    mt_answer_deinit(&answer);
}

/* Keys that a daemon writes while nothing is asked of it. */
static bool is_its_own(const char *line) {
    static const char *const keys[] = {MT_NS "coordinator (", MT_NS "daemon"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (strncmp(line, keys[i], strlen(keys[i])) == 0)
            return true;
    }
    return false;
}

/* When an instance was heard last: the coordinator notes it about a second after START. */
static void drop_heard_at(char *line) {
    char *score = strstr(line, " = ");
    if (score != NULL)
        *score = '\0';
}

char *mt_suite_dump(struct mt_suite *suite) {
    char *all = mt_dump(suite->stand->redis);
    char *kept = NULL;
    size_t size = 0;
    bool own = false;
    bool heard = false;
    FILE *out = open_memstream(&kept, &size);
    assert_non_null(out);
    mt_redis_forget(suite->stand->redis);
    for (char *rest = all, *line; (line = strsep(&rest, "\n")) != NULL;) {
        if (line[0] != ' ') { /* what a key holds is indented */
            own = is_its_own(line);
            heard = strncmp(line, MT_NS "instances (", strlen(MT_NS "instances (")) == 0;
        } else if (heard) {
            drop_heard_at(line);
        }
        if (!own)
            fprintf(out, "%s\n", line);
    }
    fclose(out);
    free(all);
    return kept;
}
