/* Commands that Redis executes inside of one call of each function of the library, within the
 * budgets of commands.txt. The operations of clients have theirs in docs/PROTOCOL.md, which
 * tests/integration/test_costs.c compares to the last command; here are the coordinator's. A
 * function without a budget in either fails.
 */
#include "lib/test.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/fixture.h"

#define BUDGETS MUSTER_SOURCE_DIR "/tests/budgets/commands.txt"
#define DOCUMENT MUSTER_SOURCE_DIR "/docs/PROTOCOL.md"

enum { WORDS = 10, STEPS = 7, FILE_MAX = 1 << 20 };

/* EPOCH is the epoch of the lease, SCORE the present score of node-1. A step DUE: the deadline of
 * node-1's c3 has come. */
struct budget_case {
    const char *function;
    const char *situation; /* one word, as in the file */
    const char *before[STEPS][WORDS];
    const char *call[WORDS];
};

#define C1 "c1", "node-1", "a"
#define C2 "c2", "node-2", "b"
#define LED                                                                                        \
    {"enter", "room", C1}, {                                                                       \
        "enter", "room", C2                                                                        \
    } /* c1 on node-1 leads */
#define SUSPECT                                                                                    \
    { "suspect", "EPOCH", "node-1", "a", "SCORE" }
#define BURY                                                                                       \
    { "bury", "EPOCH", "node-1", "a", "SCORE", "instance-dead" }

static const struct budget_case cases[] = {
    {"version", "always", {{0}}, {"version"}},
    {"acquire", "free", {{"release", "EPOCH", "hand-1"}}, {"acquire", "d2", "n2", "60000", "0"}},
    {"acquire", "held", {{0}}, {"acquire", "d2", "n2", "60000", "0"}},
    {"renew", "held", {{0}}, {"renew", "EPOCH", "hand-1", "60000"}},
    {"release", "held", {{0}}, {"release", "EPOCH", "hand-1"}},
    {"confirm", "again", {{0}}, {"confirm", "EPOCH", "gen-1", "run-1", MT_SETTINGS}},
    {"rotate", "new", {{0}}, {"rotate", "EPOCH", "gen-2", "0", "run-2", MT_SETTINGS}},
    {"attend", "always", {{0}}, {"attend", "d1", "5"}},
    {"beats", "one", {{0}}, {"beats", "EPOCH", "node-1", "a"}},
    {"beats", "two", {{0}}, {"beats", "EPOCH", "node-1", "a", "node-2", "b"}},
    {"suspect", "leads-one", {LED}, {"suspect", "EPOCH", "node-1", "a", "SCORE"}},
    {"bury", "leads-one", {LED, SUSPECT}, BURY},
    {"brake", "engage", {{0}}, {"brake", "EPOCH", "engaged", "2", "3"}},
    {"brake",
     "release",
     {{"brake", "EPOCH", "engaged", "2", "3"}},
     {"brake", "EPOCH", "released", "hold"}},
    {"elect", "leads-one", {LED, SUSPECT}, {"elect", "EPOCH", "node-1", "100"}},
    {"elect", "leads-none", {SUSPECT}, {"elect", "EPOCH", "node-1", "100"}},
    {"sweep", "nobody-leaderless", {LED}, {"sweep", "EPOCH", "0", "100"}},
    {"sweep",
     "one-leaderless",
     {{"enter", "room", C1},
      SUSPECT,
      {"elect", "EPOCH", "node-1", "100"},
      {"start", "node-1", "a"}},
     {"sweep", "EPOCH", "0", "100"}},
    {"reap", "one-leads", {LED, BURY}, {"reap", "EPOCH", "node-1:a", "0", "100"}},
    {"reap", "one-alone", {{"enter", "room", C1}, BURY}, {"reap", "EPOCH", "node-1:a", "0", "100"}},
    {"reap",
     "four-of-one-session",
     {LED,
      {"enter", "room", "c3", "node-1", "a"},
      {"enter", "room", "c4", "node-1", "a"},
      {"enter", "room", "c5", "node-1", "a"},
      {"promote", "room", "c2"},
      BURY},
     {"reap", "EPOCH", "node-1:a", "0", "100"}},
    {"expire", "nothing-due", {LED}, {"expire", "EPOCH", "100"}},
    {"expire",
     "one-due",
     {LED, {"enter", "room", "c3", "node-1", "a", "{\"ttl\":60000}"}, {"DUE"}},
     {"expire", "EPOCH", "100"}},
    {"move",
     "leads-one",
     {LED, {"drain", "node-1", "a", "on", "{\"rate\":9}"}},
     {"move", "EPOCH", "node-1", "a", "100"}},
    {"look", "session-of-two", {LED}, {"look", "EPOCH", "session", "room", "0", "100"}},
    {"repair", "nothing-wrong", {LED}, {"repair", "EPOCH", "COUNT_WRONG", "session", "room"}},
};
#define CASES (sizeof cases / sizeof *cases)

static char *read_file(const char *path) {
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    char *text = calloc(1, FILE_MAX);
    assert_non_null(text);
    size_t length = fread(text, 1, FILE_MAX - 1, file);
    fclose(file);
    assert_in_range(length, 1, FILE_MAX - 2);
    return text;
}

/* Commands since the last CONFIG RESETSTAT, without the call itself and our own looks. */
static long long commands_so_far(struct mt_redis *redis) {
    const char *line = mt_text(redis, "INFO commandstats");
    long long sum = 0;
    while ((line = strstr(line, "cmdstat_"))) {
        line += strlen("cmdstat_");
        const char *calls = strstr(line, "calls=");
        assert_non_null(calls);
        if (strncmp(line, "fcall:", 6) != 0 && strncmp(line, "config", 6) != 0 &&
            strncmp(line, "info:", 5) != 0) {
            sum += strtoll(calls + strlen("calls="), NULL, 10);
        }
    }
    return sum;
}

static void put_in(struct mt_fixture *f, const char *const words[WORDS], const char *out[WORDS]) {
    for (size_t i = 0; i < WORDS; i++) {
        out[i] = words[i];
        if (words[i] && strcmp(words[i], "EPOCH") == 0) {
            out[i] = f->epoch;
        } else if (words[i] && strcmp(words[i], "SCORE") == 0) {
            out[i] = mt_score(f, "node-1");
        }
    }
}

static long long count_call(struct mt_fixture *f, const struct budget_case *one) {
    const char *words[WORDS];
    mt_start(f, "node-1", "a");
    mt_start(f, "node-2", "b");
    for (size_t k = 0; k < STEPS && one->before[k][0]; k++) {
        if (strcmp(one->before[k][0], "DUE") == 0) {
            mt_command(f->redis, "ZADD " MT_NS "deadlines XX 1 node-1/a/c3");
            continue;
        }
        put_in(f, one->before[k], words);
        mt_ok_at(f->redis, __FILE__, __LINE__, words);
    }
    put_in(f, one->call, words);
    mt_command(f->redis, "CONFIG RESETSTAT");
    mt_ok_at(f->redis, __FILE__, __LINE__, words);
    return commands_so_far(f->redis);
}

/* Of the line `function situation count`; -1 when there is none. */
static long long budget_of(const char *text, const struct budget_case *one) {
    char line[128];
    snprintf(line, sizeof line, "\n%s %s ", one->function, one->situation);
    const char *found = strstr(text, line);
    return found ? strtoll(found + strlen(line), NULL, 10) : -1;
}

static void test_budgets(void **state) {
    struct mt_fixture *f = *state;
    char *text = read_file(BUDGETS);
    int wrong = 0;
    for (size_t i = 0; i < CASES; i++) {
        mt_fixture_fresh(state);
        long long counted = count_call(f, &cases[i]);
        long long budget = budget_of(text, &cases[i]);
        mt_redis_forget(f->redis);
        if (budget < 0 || counted * 100 > budget * 105) {
            fprintf(stderr, "%s %s %lld | the budget is %lld\n", cases[i].function,
                    cases[i].situation, counted, budget);
            wrong++;
        } else if (counted * 100 < budget * 95) {
            printf("%s %s %lld | the budget is %lld: lower it\n", cases[i].function,
                   cases[i].situation, counted, budget);
        }
    }
    size_t lines = 0;
    for (const char *at = text; (at = strchr(at, '\n')); at++) {
        lines += isalpha((unsigned char)at[1]) != 0;
    }
    free(text);
    assert_int_equal(wrong, 0);
    assert_int_equal(lines, CASES); /* and none that nobody counts */
}

static bool is_documented(const char *text, const char *function) {
    char row[64];
    int length = snprintf(row, sizeof row, "\n| `%s` | ", function);
    for (int i = 4; i < length; i++) {
        row[i] = (char)toupper((unsigned char)row[i]);
    }
    const char *begin = strstr(text, "<!-- costs -->");
    assert_non_null(begin);
    return strstr(begin, row) != NULL;
}

static bool is_counted(const char *function) {
    for (size_t i = 0; i < CASES; i++) {
        if (strcmp(cases[i].function, function) == 0) {
            return true;
        }
    }
    return false;
}

/* The names that Redis has for the library's functions. */
static void test_every_function_has_one(void **state) {
    struct mt_fixture *f = *state;
    char *text = read_file(DOCUMENT);
    int missing = 0;
    int seen = 0;
    mt_fixture_fresh(state);
    const redisReply *list = mt_command(f->redis, "FUNCTION LIST LIBRARYNAME muster");
    assert_int_equal(list->elements, 1);
    const redisReply *library = list->element[0];
    for (size_t i = 0; i + 1 < library->elements; i += 2) {
        if (strcmp(library->element[i]->str, "functions") != 0) {
            continue;
        }
        const redisReply *functions = library->element[i + 1];
        for (size_t k = 0; k < functions->elements; k++) {
            const char *name = functions->element[k]->element[1]->str;
            assert_int_equal(strncmp(name, "muster_", strlen("muster_")), 0);
            name += strlen("muster_");
            seen++;
            if (!is_counted(name) && !is_documented(text, name)) {
                fprintf(stderr, "muster_%s has no budget\n", name);
                missing++;
            }
        }
    }
    free(text);
    assert_in_range(seen, 30, 100);
    assert_int_equal(missing, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_budgets),
        cmocka_unit_test(test_every_function_has_one),
    };
    return cmocka_run_group_tests(tests, mt_fixture_start, mt_fixture_end);
}
