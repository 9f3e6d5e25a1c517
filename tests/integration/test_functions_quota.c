/* Quotas: Redis counts what a holder has, in every step that adds or takes away, and refuses the
 * one that is too much. After each test the counts are compared with a recount of all records.
 *
 * This program is also the processes of the last test: `--enter N`.
 */
#include "lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/fixture.h"
#include "lib/process.h"
#include "lib/wait.h"

#define INC "node-1", "a"

/* ---- what is held ---- */

static long long held(struct mt_fixture *f, const char *what, const char *holder) {
    const char *text = mt_text(f->redis, "HGET " MT_NS "held:%s %s", what, holder);
    return text != NULL ? strtoll(text, NULL, 10) : 0;
}

#define HELD(f, holder, connections, sessions)                                                     \
    do {                                                                                           \
        assert_int_equal(held((f), "connections", (holder)), (connections));                       \
        assert_int_equal(held((f), "sessions", (holder)), (sessions));                             \
    } while (0)

static const char recount[] =
    "local all = {connections = {}, sessions = {}} "
    "for _, key in ipairs(redis.call('KEYS', '*')) do "
    "  if key:find(':connections$') and key:find(':instance:') or "
    "     key:find(':ghosts:[^:]*:[^:]*$') then "
    "    for _, text in ipairs(redis.call('HVALS', key)) do "
    "      local mark, holder, list = text:match("
    "        '^%d+/[^/:]*:(:?)([^/:]+)/%d*/%d*/[^/]*/[^/]*/([^/]*)/') "
    "      if holder then "
    "        local _, n = list:gsub('[^,]+', '') "
    "        all.sessions[holder] = (all.sessions[holder] or 0) + n "
    "        all.connections[holder] = (all.connections[holder] or 0) + (mark == '' and 1 or 0) "
    "      end end end end "
    "local out = {} "
    "for what, numbers in pairs(all) do for holder, n in pairs(numbers) do "
    "  if n > 0 then out[#out + 1] = what .. ' ' .. holder .. ' ' .. n end end end "
    "for _, what in ipairs({'connections', 'sessions'}) do "
    "  local stored = redis.call('HGETALL', KEYS[1] .. what) "
    "  for i = 1, #stored, 2 do "
    "    out[#out + 1] = '-' .. what .. ' ' .. stored[i] .. ' ' .. stored[i + 1] end end "
    "table.sort(out) return table.concat(out, '\\n')";

/* Every line of the recount stands among the stored ones, and the other way round. */
static void expect_right_counts(struct mt_fixture *f) {
    char counted[2048] = "";
    char stored[2048] = "";
    char text[4096];
    snprintf(text, sizeof text, "%s", mt_text(f->redis, "EVAL %s 1 " MT_NS "held:", recount));
    char *save = NULL;
    for (char *line = strtok_r(text, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save))
        strcat(strcat(line[0] == '-' ? stored : counted, line[0] == '-' ? line + 1 : line), "\n");
    assert_string_equal(stored, counted);
}

static int check(void **state) {
    struct mt_fixture *f = *state;
    expect_right_counts(f);
    return 0;
}

static void fill(struct mt_fixture *f) {
    mt_start(f, INC);
    mt_start(f, "node-2", "b");
}

#define Q(connections, sessions)                                                                   \
    "{\"quota\":{\"holder\":\"x\",\"connections\":" #connections ",\"sessions\":" #sessions "}}"
#define X "{\"quota\":{\"holder\":\"x\"}}"

#define LIMITED(f, sentence, ...)                                                                  \
    do {                                                                                           \
        const char *limited_;                                                                      \
        mt_unchanged(f, limited_ = mt_refused((f)->redis, MUSTER_RATE_LIMITED, __VA_ARGS__));      \
        assert_string_equal(limited_, "RATE_LIMITED " sentence);                                   \
    } while (0)

/* ---- the option ---- */

static void the_option_is_checked(void **state) {
    static const char *const bad[] = {
        "{\"quota\":1}",
        "{\"quota\":null}",
        "{\"quota\":[]}",
        "{\"quota\":{}}",
        "{\"quota\":{\"connections\":1}}",
        "{\"quota\":{\"holder\":7}}",
        "{\"quota\":{\"holder\":\"x\",\"connections\":0}}",
        "{\"quota\":{\"holder\":\"x\",\"connections\":-1}}",
        "{\"quota\":{\"holder\":\"x\",\"connections\":1.5}}",
        "{\"quota\":{\"holder\":\"x\",\"connections\":4294967296}}",
        "{\"quota\":{\"holder\":\"x\",\"sessions\":\"3\"}}",
        "{\"quota\":{\"holder\":\"x\",\"sessions\":null}}",
        "{\"quota\":{\"holder\":\"x\",\"requests\":3}}",
    };
    struct mt_fixture *f = *state;
    fill(f);
    mt_ok(f->redis, "enter", "room", "c1", INC, "{\"resume\":\"s\"}");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        mt_unchanged(f, mt_refused(f->redis, MUSTER_BAD_REQUEST, "register", "c2", INC, bad[i]));
        mt_unchanged(f, mt_refused(f->redis, MUSTER_BAD_REQUEST, "enter", "r", "c2", INC, bad[i]));
        mt_unchanged(f, mt_refused(f->redis, MUSTER_BAD_REQUEST, "join", "r", "c1", INC, bad[i]));
        mt_unchanged(f, mt_refused(f->redis, MUSTER_BAD_REQUEST, "resume", "c2", INC, "c1",
                                   "node-1:a", "s", bad[i]));
    }
    mt_unchanged(f, mt_refused(f->redis, MUSTER_BAD_ID, "register", "c2", INC,
                               "{\"quota\":{\"holder\":\"a/b\"}}"));
    mt_unchanged(f, mt_refused(f->redis, MUSTER_BAD_REQUEST, "configure", "room", X));
    mt_ok(f->redis, "register", "c2", INC,
          "{\"quota\":{\"holder\":\"x\",\"connections\":4294967295,\"sessions\":1.0}}");
    HELD(f, "x", 1, 0);
}

/* ---- bounds ---- */

static void a_bound_holds(void **state) {
    struct mt_fixture *f = *state;
    fill(f);
    mt_ok(f->redis, "register", "c1", INC, Q(2, 3));
    mt_ok(f->redis, "enter", "r1", "c2", "node-2", "b", Q(2, 3));
    HELD(f, "x", 2, 1);
    LIMITED(f, "principal 'x' holds 2 connections already, of 2", "register", "c3", INC, Q(2, 3));
    LIMITED(f, "principal 'x' holds 2 connections already, of 2", "enter", "r1", "c3", INC,
            Q(2, 3));
    LIMITED(f, "principal 'x' holds 2 connections already, of 1", "enter", "new", "c3", INC,
            Q(1, 3));
    mt_ok(f->redis, "join", "r1", "c1", INC, Q(2, 3));
    mt_ok(f->redis, "enter", "r2", "c1", INC, Q(2, 3));
    LIMITED(f, "principal 'x' holds 3 sessions already, of 3", "join", "r3", "c1", INC, Q(2, 3));
    LIMITED(f, "principal 'x' holds 3 sessions already, of 3", "enter", "r3", "c2", "node-2", "b",
            Q(2, 3));
    HELD(f, "x", 2, 3);
    /* Another holder has its own bounds; without a quota there is none. */
    mt_ok(f->redis, "enter", "r1", "d1", INC,
          "{\"quota\":{\"holder\":\"y\",\"connections\":1,\"sessions\":1}}");
    mt_ok(f->redis, "enter", "r1", "free", INC);
    mt_ok(f->redis, "join", "r3", "c1", INC); /* counts all the same */
    HELD(f, "x", 2, 4);
    HELD(f, "y", 1, 1);
    mt_ok(f->redis, "leave", "r2", "c1", INC);
    mt_ok(f->redis, "leave", "r3", "c1", INC);
    mt_ok(f->redis, "join", "r4", "c1", INC, Q(2, 3));
}

static void a_repeat_changes_nothing(void **state) {
    struct mt_fixture *f = *state;
    fill(f);
    mt_ok(f->redis, "enter", "r1", "c1", INC, Q(1, 1));
    mt_unchanged(f, mt_ok(f->redis, "enter", "r1", "c1", INC, Q(1, 1)));
    mt_unchanged(f, mt_ok(f->redis, "join", "r1", "c1", INC, Q(1, 1)));
    mt_unchanged(f, mt_ok(f->redis, "register", "c1", INC, Q(1, 1)));
    /* Nor does it pass to another holder. */
    mt_unchanged(f, mt_ok(f->redis, "enter", "r1", "c1", INC, "{\"quota\":{\"holder\":\"y\"}}"));
    mt_unchanged(f, mt_ok(f->redis, "register", "c1", INC, "{\"quota\":{\"holder\":\"y\"}}"));
    HELD(f, "x", 1, 1);
}

/* A connection passes to the holder of the quota by which it joins something. */
static void the_holder_of_the_last_joining(void **state) {
    struct mt_fixture *f = *state;
    fill(f);
    mt_ok(f->redis, "enter", "r1", "c1", INC);
    mt_ok(f->redis, "enter", "r2", "c1", INC);
    LIMITED(f, "principal 'x' holds 0 sessions already, of 2", "join", "r3", "c1", INC, Q(1, 2));
    mt_ok(f->redis, "join", "r3", "c1", INC, Q(1, 3));
    HELD(f, "x", 1, 3);
    mt_ok(f->redis, "enter", "r4", "c1", INC, "{\"quota\":{\"holder\":\"y\"}}");
    HELD(f, "x", 0, 0);
    HELD(f, "y", 1, 4);
    mt_expect(mt_ok(f->redis, "leave", "r1", "c1", INC), "{'left':true,'#more':0}");
    HELD(f, "y", 1, 3);
}

static void exclusive_makes_room(void **state) {
    struct mt_fixture *f = *state;
    fill(f);
    mt_ok(f->redis, "enter", "r1", "c1", INC, Q(1, 2));
    mt_ok(f->redis, "enter", "r2", "c1", INC, Q(1, 2));
    mt_ok(f->redis, "join", "r3", "c1", INC,
          "{\"exclusive\":true,\"quota\":{\"holder\":\"x\",\"sessions\":1}}");
    HELD(f, "x", 1, 1);
    mt_ok(f->redis, "enter", "r4", "c1", INC, Q(1, 2));
    mt_ok(f->redis, "enter", "r3", "c1", INC, "{\"exclusive\":true}");
    HELD(f, "x", 1, 1);
}

/* ---- what ends it ---- */

static void everything_that_ends_it(void **state) {
    struct mt_fixture *f = *state;
    fill(f);
    mt_ok(f->redis, "enter", "r1", "c1", INC, X);
    mt_ok(f->redis, "enter", "r2", "c1", INC, X);
    mt_ok(f->redis, "leave", "r1", "c1", INC);
    HELD(f, "x", 1, 1);
    mt_ok(f->redis, "kick", "r2", "c1");
    HELD(f, "x", 1, 0);
    assert_int_equal(mt_integer(f->redis, "EXISTS " MT_NS "held:sessions"), 0);
    mt_ok(f->redis, "enter", "r1", "c1", INC, X);
    mt_ok(f->redis, "unregister", "c1", INC);
    HELD(f, "x", 0, 0);
    assert_int_equal(mt_integer(f->redis, "EXISTS " MT_NS "held:connections"), 0);

    mt_ok(f->redis, "enter", "r1", "c2", INC, "{\"ttl\":1,\"quota\":{\"holder\":\"x\"}}");
    mt_ok(f->redis, "enter", "r1", "c3", INC, X);
    mt_ok(f->redis, "disconnect", "c3", INC, "1");
    HELD(f, "x", 2, 2); /* away is not gone */
    MT_WAIT(f->world,
            (mt_ok(f->redis, "expire", f->epoch, "10"),
             mt_integer(f->redis, "HLEN " MT_NS "instance:node-1:connections") == 0),
            "both to be over");
    HELD(f, "x", 0, 0);
}

static void away_and_back_count_once(void **state) {
    struct mt_fixture *f = *state;
    fill(f);
    mt_ok(f->redis, "enter", "r1", "c1", INC, Q(1, 1));
    mt_ok(f->redis, "disconnect", "c1", INC);
    LIMITED(f, "principal 'x' holds 1 connections already, of 1", "register", "c2", INC, Q(1, 1));
    mt_ok(f->redis, "register", "c1", INC, Q(1, 1));
    mt_ok(f->redis, "disconnect", "c1", INC);
    mt_ok(f->redis, "touch", INC, "c1");
    mt_ok(f->redis, "disconnect", "c1", INC);
    mt_ok(f->redis, "enter", "r1", "c1", INC, Q(1, 1));
    mt_ok(f->redis, "update", "c1", INC, "{\"a\":1}");
    HELD(f, "x", 1, 1);
}

/* What a dead instance held is held until it is reaped, or taken over. */
static void the_dead_hold_until_reaped(void **state) {
    struct mt_fixture *f = *state;
    fill(f);
    mt_ok(f->redis, "enter", "r1", "c1", INC, X);
    mt_ok(f->redis, "enter", "r2", "c1", INC, X);
    mt_ok(f->redis, "enter", "r3", "c1", INC, X);
    mt_ok(f->redis, "register", "c2", INC, X);
    mt_bury(f, INC);
    HELD(f, "x", 2, 3);
    LIMITED(f, "principal 'x' holds 2 connections already, of 2", "register", "c3", "node-2", "b",
            Q(2, 9));
    mt_command(f->redis, "ZADD " MT_NS "ghosts 0 node-1:a");
    for (int i = 0; i < 8; i++) { /* a membership at a time */
        mt_ok(f->redis, "reap", f->epoch, "node-1:a", "0", "1");
        expect_right_counts(f);
    }
    HELD(f, "x", 0, 0);
}

/* A new incarnation enters what the old one was in, with every place taken: none is needed. */
static void adoption_counts_once(void **state) {
    struct mt_fixture *f = *state;
    fill(f);
    mt_ok(f->redis, "enter", "r1", "c1", INC, Q(1, 3));
    mt_ok(f->redis, "enter", "r2", "c1", INC, Q(1, 3));
    mt_ok(f->redis, "enter", "r3", "c1", INC, Q(1, 3));
    mt_start(f, "node-1", "z");
    LIMITED(f, "principal 'x' holds 1 connections already, of 1", "register", "c1", "node-1", "z",
            Q(1, 3));
    mt_expect(mt_ok(f->redis, "enter", "r1", "c1", "node-1", "z", Q(1, 3)),
              "{'adopted':true,'#more':0}");
    HELD(f, "x", 1, 3);
    mt_ok(f->redis, "enter", "r2", "c1", "node-1", "z"); /* without a quota: it stays x's */
    HELD(f, "x", 1, 3);
    LIMITED(f, "principal 'x' holds 3 sessions already, of 3", "enter", "r4", "c1", "node-1", "z",
            Q(1, 3));
    mt_ok(f->redis, "enter", "r3", "c1", "node-1", "z", Q(1, 3));
    HELD(f, "x", 1, 3);
    mt_ok(f->redis, "unregister", "c1", "node-1", "z");
    HELD(f, "x", 0, 0);
}

static void what_adoption_left_is_reaped(void **state) {
    struct mt_fixture *f = *state;
    fill(f);
    mt_ok(f->redis, "enter", "r1", "c1", INC, X);
    mt_ok(f->redis, "enter", "r2", "c1", INC, X);
    mt_start(f, "node-1", "z");
    mt_ok(f->redis, "enter", "r1", "c1", "node-1", "z");
    HELD(f, "x", 1, 2);
    mt_reap(f, "node-1:a");
    HELD(f, "x", 1, 1);
}

static void superseded_makes_room(void **state) {
    struct mt_fixture *f = *state;
    fill(f);
    mt_ok(f->redis, "enter", "r1", "c1", INC, Q(1, 1));
    mt_bury(f, INC);
    mt_ok(f->redis, "enter", "r1", "c1", "node-2", "b", Q(1, 1));
    HELD(f, "x", 1, 1);
}

static void resuming_takes_the_place(void **state) {
    struct mt_fixture *f = *state;
    fill(f);
    mt_ok(f->redis, "enter", "r1", "c1", INC,
          "{\"resume\":\"s\",\"quota\":{\"holder\":\"x\",\"connections\":1,\"sessions\":2}}");
    mt_ok(f->redis, "enter", "r2", "c1", INC, Q(1, 2));
    mt_ok(f->redis, "resume", "c2", "node-2", "b", "c1", "node-1:a", "s",
          "{\"resume\":\"t\",\"quota\":{\"holder\":\"x\",\"connections\":1,\"sessions\":2}}");
    HELD(f, "x", 1, 2);
    mt_unchanged(f, mt_ok(f->redis, "resume", "c2", "node-2", "b", "c1", "node-1:a", "s", Q(1, 2)));
    LIMITED(f, "principal 'y' holds 0 sessions already, of 1", "resume", "c3", INC, "c2",
            "node-2:b", "t", "{\"quota\":{\"holder\":\"y\",\"sessions\":1}}");
    mt_ok(f->redis, "resume", "c3", INC, "c2", "node-2:b", "t",
          "{\"resume\":\"u\"}"); /* x's still */
    HELD(f, "x", 1, 2);
    mt_ok(f->redis, "resume", "c4", INC, "c3", "node-1:a", "u",
          "{\"quota\":{\"holder\":\"y\",\"sessions\":2}}");
    HELD(f, "x", 0, 0);
    HELD(f, "y", 1, 2);
}

/* ---- damage ---- */

static void a_damaged_count_keeps_nobody_in(void **state) {
    struct mt_fixture *f = *state;
    fill(f);
    mt_ok(f->redis, "enter", "r1", "c1", INC, X);
    mt_ok(f->redis, "enter", "r1", "c2", INC, X);
    mt_ok(f->redis, "enter", "r1", "c3", INC, X);
    mt_command(f->redis, "HSET " MT_NS "held:connections x many");
    mt_command(f->redis, "DEL " MT_NS "held:sessions");
    mt_command(f->redis, "SET " MT_NS "held:sessions gone");
    mt_unchanged(f, mt_refused(f->redis, MUSTER_INTERNAL, "register", "c4", INC, Q(9, 9)));
    mt_unchanged(f, mt_refused(f->redis, MUSTER_INTERNAL, "join", "r2", "c1", INC, Q(9, 9)));
    mt_ok(f->redis, "leave", "r1", "c1", INC);
    mt_ok(f->redis, "unregister", "c2", INC);
    mt_bury(f, INC);
    mt_reap(f, "node-1:a");
    assert_int_equal(mt_integer(f->redis, "EXISTS " MT_NS "session:r1"), 0);
    mt_command(f->redis, "DEL " MT_NS "held:connections " MT_NS "held:sessions");
}

static void quarantined_records_hold_nothing(void **state) {
    struct mt_fixture *f = *state;
    fill(f);
    mt_ok(f->redis, "enter", "r1", "c1", INC, X);
    mt_ok(f->redis, "enter", "r2", "c1", INC, X);
    mt_command(f->redis, "HSET " MT_NS "session:r1 #count nonsense");
    mt_bury(f, INC);
    mt_reap(f, "node-1:a");
    assert_int_equal(mt_integer(f->redis, "HLEN " MT_NS "quarantine"), 1);
    HELD(f, "x", 0, 0);
}

/* ---- many at once ---- */

enum { PROCESSES = 8, TRIES = 120, BOUND = 50 };

/* Enters as long as it goes, leaves again now and then. */
static int enter_as(struct mt_redis *redis, unsigned number) {
    char connection[32];
    for (int i = 0; i < TRIES; i++) {
        snprintf(connection, sizeof connection, "p%u-%d", number, i % 20);
        const char *enter[] = {"room", connection, INC, Q(50, 50)};
        enum muster_status status = mt_call(redis, "enter", 5, enter, NULL, NULL, NULL);
        if (status != MUSTER_OK && status != MUSTER_RATE_LIMITED)
            return 1;
        if (i % 3 == 2 && i < TRIES - 20) {
            const char *leave[] = {connection, INC};
            if (mt_call(redis, "unregister", 3, leave, NULL, NULL, NULL) != MUSTER_OK)
                return 1;
        }
        mt_redis_forget(redis);
    }
    return 0;
}

/* Looks once; true when all have ended. */
static bool all_ended_below(struct mt_fixture *f, struct mt_process *const *processes) {
    bool ended = true;
    for (size_t i = 0; i < PROCESSES; i++)
        ended = ended && !mt_process_running(processes[i]);
    assert_in_range(mt_integer(f->redis, "HLEN " MT_NS "instance:node-1:connections"), 0, BOUND);
    mt_redis_forget(f->redis);
    return ended;
}

static void many_processes_never_exceed_it(void **state) {
    struct mt_fixture *f = *state;
    struct mt_process *processes[PROCESSES];
    char self[200];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    assert_true(length > 0);
    self[length] = '\0';
    fill(f);
    for (unsigned i = 0; i < PROCESSES; i++) {
        char name[16];
        char number[8];
        snprintf(name, sizeof name, "enter-%u", i);
        snprintf(number, sizeof number, "%u", i);
        processes[i] = mt_process_start(
            f->world, name,
            (const char *const[]){self, "--enter", number, mt_server_socket(f->server), NULL});
    }
    MT_WAIT(f->world, all_ended_below(f, processes), "all to be done");
    for (unsigned i = 0; i < PROCESSES; i++)
        assert_int_equal(mt_process_wait(processes[i]), 0);
    assert_int_equal(mt_integer(f->redis, "HLEN " MT_NS "instance:node-1:connections"), BOUND);
    HELD(f, "x", BOUND, BOUND);
}

static int be_a_process(const char *number, const char *socket) {
    struct mt_world *world = mt_world_create();
    struct mt_redis *redis = mt_redis_open(world, socket, NULL);
    int code = enter_as(redis, (unsigned)strtoul(number, NULL, 10));
    mt_redis_close(&redis);
    mt_world_destroy(&world);
    return code;
}

int main(int argc, char **argv) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, mt_fixture_fresh, check)
    const struct CMUnitTest tests[] = {
        TEST(the_option_is_checked),
        TEST(a_bound_holds),
        TEST(a_repeat_changes_nothing),
        TEST(the_holder_of_the_last_joining),
        TEST(exclusive_makes_room),
        TEST(everything_that_ends_it),
        TEST(away_and_back_count_once),
        TEST(the_dead_hold_until_reaped),
        TEST(adoption_counts_once),
        TEST(what_adoption_left_is_reaped),
        TEST(superseded_makes_room),
        TEST(resuming_takes_the_place),
        TEST(a_damaged_count_keeps_nobody_in),
        TEST(quarantined_records_hold_nothing),
        TEST(many_processes_never_exceed_it),
    };
    if (argc == 4 && strcmp(argv[1], "--enter") == 0)
        return be_a_process(argv[2], argv[3]);
    return cmocka_run_group_tests_name("functions_quota", tests, mt_fixture_start, mt_fixture_end);
}
