/* What a call costs, in commands that Redis executes inside of it, as docs/PROTOCOL.md says: its
 * table is read, and each row counted with INFO commandstats. And the same calls on a session of
 * 100,000 members, half of them on a suspect instance.
 */
#include "lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/fixture.h"

#define DOCUMENT MUSTER_SOURCE_DIR "/docs/PROTOCOL.md"

enum { MEMBERS = 100000, WORDS = 10, STEPS = 4, ROWS_MAX = 64 };

/* Commands since the last CONFIG RESETSTAT, without the calls themselves and our own looks. */
static long long commands_so_far(struct mt_redis *redis) {
    const char *line = mt_text(redis, "INFO commandstats");
    long long sum = 0;
    while ((line = strstr(line, "cmdstat_"))) {
        line += strlen("cmdstat_");
        bool counts = strncmp(line, "fcall:", 6) != 0 && strncmp(line, "config", 6) != 0 &&
                      strncmp(line, "info:", 5) != 0;
        const char *calls = strstr(line, "calls=");
        assert_non_null(calls);
        if (counts) {
            sum += strtoll(calls + strlen("calls="), NULL, 10);
        }
    }
    return sum;
}

static void count_from_here(struct mt_redis *redis) {
    mt_command(redis, "CONFIG RESETSTAT");
}

/* One row of the document's table, and how to come to that situation. */
struct cost {
    const char *operation;
    const char *situation;
    const char *before[STEPS][WORDS];
    const char *call[WORDS];
};

#define C1 "c1", "node-1", "a"
#define C2 "c2", "node-1", "a"
#define LED                                                                                        \
    {"enter", "room", C1}, {                                                                       \
        "enter", "room", C2                                                                        \
    } /* c1 leads, c2 does not */

#define QUOTA "{\"quota\":{\"holder\":\"x\",\"connections\":9,\"sessions\":9}}"
#define LED_QUOTA                                                                                  \
    {"enter", "room", C1, QUOTA}, {                                                                \
        "enter", "room", C2, QUOTA                                                                 \
    }

static const struct cost costs[] = {
    {"START", "new", {{0}}, {"start", "node-3", "c"}},
    {"START", "again", {{0}}, {"start", "node-1", "a"}},
    {"START", "in place of another incarnation", {LED}, {"start", "node-1", "z"}},
    {"HEARTBEAT", "up", {{0}}, {"heartbeat", "node-1", "a"}},
    {"DRAIN", "on", {LED}, {"drain", "node-1", "a", "on"}},
    {"DRAIN", "on, at a rate", {LED}, {"drain", "node-1", "a", "on", "{\"rate\":9}"}},
    {"STOP", "with connections, some lead", {LED}, {"stop", "node-1", "a"}},
    {"ENTER", "new, anonymous", {LED}, {"enter", "room", "c3", "node-1", "a"}},
    {"ENTER",
     "new, with a user",
     {LED},
     {"enter", "room", "c3", "node-1", "a", "{\"user\":\"u\"}"}},
    {"ENTER", "opens the session, leads", {{0}}, {"enter", "room", C1}},
    {"ENTER", "again", {LED}, {"enter", "room", C2}},
    {"ENTER", "new, anonymous, with a quota", {LED}, {"enter", "room", "c3", "node-1", "a", QUOTA}},
    {"ENTER",
     "adopted, leads nothing",
     {LED, {"start", "node-1", "z"}},
     {"enter", "room", "c2", "node-1", "z"}},
    {"REGISTER", "new", {{0}}, {"register", C1}},
    {"REGISTER", "new, with a quota", {{0}}, {"register", C1, QUOTA}},
    {"REGISTER", "again", {{"register", C1}}, {"register", C1}},
    {"JOIN",
     "a session that is led",
     {LED, {"register", "c3", "node-1", "a"}},
     {"join", "room", "c3", "node-1", "a"}},
    {"JOIN",
     "the same, with a quota",
     {LED, {"register", "c3", "node-1", "a", QUOTA}},
     {"join", "room", "c3", "node-1", "a", QUOTA}},
    {"LEAVE", "leads not", {LED}, {"leave", "room", C2}},
    {"LEAVE", "leads not, with a quota", {LED_QUOTA}, {"leave", "room", C2}},
    {"LEAVE", "leads, the next does", {LED}, {"leave", "room", C1}},
    {"LEAVE", "the last one", {{"enter", "room", C1}}, {"leave", "room", C1}},
    {"UPDATE", "in 1 session", {LED}, {"update", C2, "{\"a\":1}"}},
    {"UPDATE", "in 2 sessions", {LED, {"enter", "hall", C2}}, {"update", C2, "{\"a\":1}"}},
    {"UNREGISTER", "in 1 session, leads not", {LED}, {"unregister", C2}},
    {"UNREGISTER", "the same, with a quota", {LED_QUOTA}, {"unregister", C2}},
    {"TOUCH",
     "1, with a ttl",
     {{"register", C1, "{\"ttl\":60000}"}},
     {"touch", "node-1", "a", "c1"}},
    {"TOUCH",
     "2, with a ttl",
     {{"register", C1, "{\"ttl\":60000}"}, {"register", C2, "{\"ttl\":60000}"}},
     {"touch", "node-1", "a", "c1", "c2"}},
    {"DISCONNECT", "in 1 session, leads not", {LED}, {"disconnect", C2}},
    {"DISCONNECT", "in 1 session, leads", {LED}, {"disconnect", C1}},
    {"RESUME",
     "in 1 session, leads not",
     {{"enter", "room", C1}, {"enter", "room", C2, "{\"resume\":\"s\"}"}},
     {"resume", "c3", "node-2", "b", "c2", "node-1:a", "s"}},
    {"RESUME",
     "the same, with a quota",
     {{"enter", "room", C1},
      {"enter", "room", C2, "{\"resume\":\"s\",\"quota\":{\"holder\":\"x\"}}"}},
     {"resume", "c3", "node-2", "b", "c2", "node-1:a", "s", QUOTA}},
    {"PROMOTE", "another", {LED}, {"promote", "room", "c2"}},
    {"PROMOTE", "who leads", {LED}, {"promote", "room", "c1"}},
    {"KICK", "leads not", {LED}, {"kick", "room", "c2", "why"}},
    {"CONFIGURE", "a new limit", {LED}, {"configure", "room", "{\"limit\":9}"}},
    {"CONFIGURE", "as it is", {LED}, {"configure", "room", "{}"}},
    {"ORDER", "nothing to do", {LED}, {"order", "desk", "brake-release"}},
    {"ORDER",
     "bury, an instance that leads in one session",
     {LED},
     {"order", "desk", "bury", "node-1", "a"}},
};
#define COSTS (sizeof costs / sizeof *costs)

static void call(struct mt_fixture *f, const char *const words[WORDS]) {
    mt_ok_at(f->redis, __FILE__, __LINE__, words);
}

/* Finds `| OPERATION | situation | commands |` in the table; -1 when it is not there. */
static long long documented(const char *text, const struct cost *cost) {
    char row[128];
    snprintf(row, sizeof row, "\n| `%s` | %s | ", cost->operation, cost->situation);
    const char *found = strstr(text, row);
    return found ? strtoll(found + strlen(row), NULL, 10) : -1;
}

static char *read_document(void) {
    FILE *file = fopen(DOCUMENT, "r");
    assert_non_null(file);
    enum { SIZE_MAX_ = 1 << 20 };
    char *text = calloc(1, SIZE_MAX_);
    assert_non_null(text);
    size_t length = fread(text, 1, SIZE_MAX_ - 1, file);
    fclose(file);
    assert_in_range(length, 1, SIZE_MAX_ - 2);
    return text;
}

static void test_table(void **state) {
    struct mt_fixture *f = *state;
    char *text = read_document();
    int wrong = 0;
    for (size_t i = 0; i < COSTS; i++) {
        mt_fixture_fresh(state);
        mt_start(f, "node-1", "a");
        mt_start(f, "node-2", "b");
        for (size_t k = 0; k < STEPS && costs[i].before[k][0]; k++) {
            call(f, costs[i].before[k]);
        }
        count_from_here(f->redis);
        call(f, costs[i].call);
        long long counted = commands_so_far(f->redis);
        long long said = documented(text, &costs[i]);
        if (counted != said) {
            fprintf(stderr, "| `%s` | %s | %lld | the document says %lld\n", costs[i].operation,
                    costs[i].situation, counted, said);
            wrong++;
        }
        mt_redis_forget(f->redis);
    }
    /* and no row that nobody counts */
    char *begin = strstr(text, "<!-- costs -->");
    assert_non_null(begin);
    char *end = strstr(begin, "<!-- end of costs -->");
    assert_non_null(end);
    *end = '\0';
    size_t rows = 0;
    for (const char *row = begin; (row = strstr(row, "\n| `")); row++) {
        rows++;
    }
    free(text);
    assert_int_equal(wrong, 0);
    assert_int_equal(rows, COSTS);
}

/* ---- a large session ---- */

/* Bounds, in commands a call. What an election looks at comes in chunks of 64, 500 at most. */
enum { CALL_MAX = 40, PAGE = 1000, REAP_BUDGET = 256, A_MEMBERSHIP_MAX = 8 };

static json_t *call_counted(struct mt_fixture *f, long long most, const char *const words[]) {
    count_from_here(f->redis);
    json_t *reply = mt_ok_at(f->redis, __FILE__, __LINE__, words);
    long long commands = commands_so_far(f->redis);
    printf("%s: %lld commands\n", words[0], commands);
    assert_in_range(commands, 1, most);
    return reply;
}
#define COUNTED(f, most, ...) call_counted((f), (most), (const char *const[]){__VA_ARGS__, NULL})

static void enter_many(struct mt_fixture *f, int from, int to, const char *instance,
                       const char *incarnation) {
    redisContext *context = mt_redis_context(f->redis);
    char connection[16];
    for (int next = from; next < to;) {
        int sent = 0;
        for (; sent < PAGE && next < to; sent++, next++) {
            snprintf(connection, sizeof connection, "m%d", next);
            redisAppendCommand(context, "FCALL muster_enter 1 {" MT_NAMESPACE "} large %s %s %s",
                               connection, instance, incarnation);
        }
        for (; sent > 0; sent--) {
            redisReply *reply = NULL;
            assert_int_equal(redisGetReply(context, (void **)&reply), REDIS_OK);
            assert_int_equal(reply->type, REDIS_REPLY_STRING);
            freeReplyObject(reply);
        }
    }
}

/* Every member is seen by HSCAN, in as many calls as the session has pages. */
static void page_through(struct mt_fixture *f) {
    bool *seen = calloc(MEMBERS, sizeof *seen);
    assert_non_null(seen);
    const char *cursor = "0";
    int pages = 0;
    int members = 0;
    do {
        redisReply *page =
            mt_command(f->redis, "HSCAN " MT_NS "session:large %s COUNT %d", cursor, PAGE);
        cursor = page->element[0]->str;
        const redisReply *fields = page->element[1];
        /* a bucket of the hash table may hold a few more */
        assert_in_range(fields->elements / 2, 0, 2 * PAGE);
        for (size_t i = 0; i < fields->elements; i += 2) {
            const char *field = fields->element[i]->str;
            long number = field[0] == 'm' ? strtol(field + 1, NULL, 10) : MEMBERS;
            if (number < MEMBERS && !seen[number]) {
                seen[number] = true;
                members++;
            }
        }
        pages++;
        assert_in_range(pages, 1, 4 * MEMBERS / PAGE);
    } while (strcmp(cursor, "0") != 0);
    free(seen);
    printf("%d members in %d pages\n", members, pages);
    assert_int_equal(members, MEMBERS);
}

/* All of the candidates that come first are suspect: one call looks at 500 of them, and the
 * coordinator's go on from there. */
static void leader_leaves(struct mt_fixture *f) {
    json_t *reply = COUNTED(f, CALL_MAX, "leave", "large", "m0", "node-2", "b");
    assert_null(mt_str(reply, "leader"));
    char rank[32] = "0";
    int slices = 0;
    for (;;) {
        count_from_here(f->redis);
        reply = mt_ok(f->redis, "sweep", f->epoch, "-", "1", "large", rank);
        assert_in_range(commands_so_far(f->redis), 1, CALL_MAX);
        slices++;
        const json_t *undecided = json_array_get(json_object_get(reply, "undecided"), 0);
        if (!undecided) {
            break;
        }
        snprintf(rank, sizeof rank, "%lld",
                 (long long)json_integer_value(json_array_get(undecided, 1)));
        assert_in_range(slices, 1, MEMBERS / 2 / 500 + 2);
    }
    printf("elected after %d slices\n", slices);
    char first[16];
    snprintf(first, sizeof first, "m%d", MEMBERS / 2);
    assert_string_equal(mt_leader(f, "large"), first);
    /* the same again: by promotion to the last one, who leaves */
    COUNTED(f, CALL_MAX, "promote", "large", "m99999");
    COUNTED(f, CALL_MAX, "leave", "large", "m99999", "node-2", "b");
}

static void bury_and_reap(struct mt_fixture *f) {
    COUNTED(f, CALL_MAX, "bury", f->epoch, "node-1", "a", mt_score(f, "node-1"), "instance-dead");
    char cursor[32] = "0";
    char budget[16];
    snprintf(budget, sizeof budget, "%d", REAP_BUDGET);
    long long most = 0;
    int slices = 0;
    bool done = false;
    while (!done) {
        count_from_here(f->redis);
        json_t *reply = mt_ok(f->redis, "reap", f->epoch, "node-1:a", cursor, budget);
        long long commands = commands_so_far(f->redis);
        most = commands > most ? commands : most;
        assert_in_range(commands, 1, CALL_MAX + REAP_BUDGET * A_MEMBERSHIP_MAX);
        snprintf(cursor, sizeof cursor, "%s", mt_str(reply, "cursor"));
        done = mt_bool(reply, "done");
        slices++;
        assert_in_range(slices, 1, 4 * MEMBERS / REAP_BUDGET);
    }
    printf("reaped in %d slices of at most %lld commands\n", slices, most);
    assert_int_equal(mt_integer(f->redis, "EXISTS " MT_NS "ghosts:node-1:a"), 0);
}

static void test_large_session(void **state) {
    struct mt_fixture *f = *state;
    mt_fixture_fresh(state);
    mt_start(f, "node-1", "a");
    mt_start(f, "node-2", "b");
    /* nobody listens to 100,000 events */
    mt_command(f->redis, "CLIENT KILL TYPE pubsub");
    enter_many(f, 0, 1, "node-2", "b");
    enter_many(f, 1, MEMBERS / 2, "node-1", "a");
    mt_suspect(f, "node-1", "a");
    enter_many(f, MEMBERS / 2, MEMBERS, "node-2", "b");
    assert_int_equal(strtoll(mt_text(f->redis, "HGET " MT_NS "session:large #count"), NULL, 10),
                     MEMBERS);
    page_through(f);
    COUNTED(f, CALL_MAX, "enter", "large", "one-more", "node-2", "b", "{\"user\":\"u\"}");
    COUNTED(f, CALL_MAX, "enter", "large", "another", "node-1", "a");
    COUNTED(f, CALL_MAX, "leave", "large", "m77777", "node-2", "b");
    COUNTED(f, CALL_MAX, "leave", "large", "m5", "node-1", "a");
    leader_leaves(f);
    bury_and_reap(f);
    /* those who may not lead are out of the way now */
    COUNTED(f, CALL_MAX, "sweep", f->epoch, "0", "10");
    assert_string_equal(mt_leader(f, "large"), "m50000");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_large_session),
    };
    return cmocka_run_group_tests(tests, mt_fixture_start, mt_fixture_end);
}
