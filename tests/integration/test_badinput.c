/* Bad arguments at every function: the code of the table, nothing changed, nothing published. */
#include "lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/fixture.h"

enum { MOST_ARGUMENTS = 8 };

/* A call that would succeed. `kinds` has a letter for each argument: i id, o options, p profile or
 * meta, s settings, n number, d detail, w why, x anything else; upper case: it may be left out.
 * Words in capitals are filled in: EPOCH, SCORE (of node-1). */
struct valid_call {
    const char *function;
    const char *kinds;
    const char *arguments[MOST_ARGUMENTS];
};

static const struct valid_call calls[] = {
    {"version", "", {NULL}},
    {"start", "iiP", {"node-9", "n", "{}"}},
    {"heartbeat", "ii", {"node-1", "a"}},
    {"stop", "ii", {"node-1", "a"}},
    {"drain", "iixX", {"node-1", "a", "on", "{\"rate\":9}"}},
    {"move", "niin", {"EPOCH", "node-2", "b", "10"}},
    {"touch", "iii", {"node-1", "a", "c3"}},
    {"disconnect", "iiiN", {"c1", "node-1", "a", "1000"}},
    {"resume", "iiiixxOP", {"c9", "node-1", "a", "c5", "node-1:a", "s", "{\"ttl\":9}", "{}"}},
    {"register", "iiiOP", {"c9", "node-1", "a", "{\"user\":\"u9\"}", "{}"}},
    {"unregister", "iii", {"c1", "node-1", "a"}},
    {"update", "iiip", {"c1", "node-1", "a", "{\"x\":1}"}},
    {"enter", "iiiiOP", {"room", "c9", "node-1", "a", "{\"user\":\"u9\"}", "{}"}},
    {"join", "iiiiO", {"room", "c3", "node-1", "a", "{\"priority\":1}"}},
    {"leave", "iiii", {"room", "c1", "node-1", "a"}},
    {"promote", "iiN", {"room", "c2", ""}},
    {"kick", "iiD", {"room", "c1", "why"}},
    {"configure", "ixP", {"room", "{\"limit\":9}", "{}"}},
    {"expire", "nn", {"EPOCH", "10"}},
    {"acquire", "iinnXXX", {"other", "o", "3000", "0", "", "", "run-1"}},
    {"renew", "nin", {"EPOCH", "hand-1", "600000"}},
    {"release", "ni", {"EPOCH", "hand-1"}},
    {"confirm", "niis", {"EPOCH", "gen-1", "run-9", MT_SETTINGS}},
    {"rotate", "ninis", {"EPOCH", "gen-9", "0", "run-9", MT_SETTINGS}},
    {"beats", "nii", {"EPOCH", "node-1", "a"}},
    {"suspect", "niinW", {"EPOCH", "node-1", "a", "SCORE", "{}"}},
    {"bury", "niinxW", {"EPOCH", "node-1", "a", "SCORE", "instance-dead", "{}"}},
    {"elect", "nin", {"EPOCH", "node-9", "10"}},
    {"sweep", "nnn", {"EPOCH", "0", "10"}},
    {"sweep", "nxnin", {"EPOCH", "-", "10", "solo", "0"}},
    {"reap", "nxnn", {"EPOCH", "node-3:c", "0", "10"}},
};
#define EACH_CALL(call)                                                                            \
    const struct valid_call *call = calls;                                                         \
    call < calls + sizeof calls / sizeof *calls;                                                   \
    call++

struct arguments {
    size_t count;
    const char *values[MOST_ARGUMENTS + 1];
    size_t lengths[MOST_ARGUMENTS + 1];
};

static void set_bytes(struct arguments *arguments, size_t index, const char *bytes, size_t length) {
    arguments->values[index] = bytes;
    arguments->lengths[index] = length;
}

static void set_text(struct arguments *arguments, size_t index, const char *text) {
    set_bytes(arguments, index, text, strlen(text));
}

static struct arguments arguments_of(struct mt_fixture *f, const struct valid_call *call) {
    struct arguments arguments = {.count = strlen(call->kinds)};
    for (size_t i = 0; i < arguments.count; i++) {
        const char *text = call->arguments[i];
        if (strcmp(text, "EPOCH") == 0)
            text = f->epoch;
        else if (strcmp(text, "SCORE") == 0)
            text = mt_score(f, "node-1");
        set_text(&arguments, i, text);
    }
    return arguments;
}

/* room: c1 (leads), c2 on node-1; c3 is registered; solo: nobody may lead, and node-2 drains; a
 * ghost of node-3. */
static int populate(void **state) {
    if (mt_fixture_fresh(state) != 0)
        return -1;
    struct mt_fixture *f = *state;
    mt_start(f, "node-1", "a");
    mt_start(f, "node-2", "b");
    mt_start(f, "node-3", "c");
    mt_enter(f, "room", "c1", "node-1", "a", "{\"user\":\"u1\"}");
    mt_enter(f, "room", "c2", "node-1", "a", NULL);
    mt_ok(f->redis, "register", "c3", "node-1", "a");
    mt_ok(f->redis, "register", "c5", "node-1", "a", "{\"resume\":\"s\"}");
    mt_enter(f, "room", "g1", "node-3", "c", NULL);
    mt_bury(f, "node-3", "c");
    mt_enter(f, "solo", "c4", "node-2", "b", NULL);
    mt_suspect(f, "node-2", "b");
    mt_ok(f->redis, "elect", f->epoch, "node-2", "10");
    mt_ok(f->redis, "drain", "node-2", "b", "on", "{\"rate\":9}");
    mt_events_skip(f->events);
    return 0;
}

static void expect_refused(struct mt_fixture *f, const struct valid_call *call,
                           const struct arguments *arguments, enum muster_status wanted,
                           const char *what) {
    const char *error = NULL;
    enum muster_status status = mt_call(f->redis, call->function, arguments->count,
                                        arguments->values, arguments->lengths, NULL, &error);
    if (status != wanted)
        mt_fail(f->world, "muster_%s with %s: %s, wanted %s", call->function, what,
                status == MUSTER_OK ? "no error" : error, muster_status_code(wanted));
}

/* Every test below is one statement of this: the data before and after are the same. */
#define nothing_happens(f, ...) mt_unchanged(f, __VA_ARGS__)

static void test_the_valid_calls_are_valid(void **state) {
    for (EACH_CALL(call)) {
        populate(state);
        struct mt_fixture *f = *state;
        struct arguments arguments = arguments_of(f, call);
        const char *error = "";
        if (mt_call(f->redis, call->function, arguments.count, arguments.values, arguments.lengths,
                    NULL, &error) != MUSTER_OK)
            mt_fail(f->world, "muster_%s: %s", call->function, error);
    }
}

static void test_arity(void **state) {
    struct mt_fixture *f = *state;
    nothing_happens(f, {
        for (EACH_CALL(call)) {
            struct arguments arguments = arguments_of(f, call);
            size_t most = arguments.count;
            for (size_t count = 0; count < most && strchr("iopsndx", call->kinds[count]); count++) {
                if (strcmp(call->function, "sweep") == 0 && count == 3)
                    continue; /* another form of it */
                arguments.count = count;
                expect_refused(f, call, &arguments, MUSTER_BAD_REQUEST, "too few arguments");
            }
            if (strcmp(call->function, "touch") == 0)
                continue; /* one more is one more connection */
            /* beats takes pairs: one more is odd; sweep with a cursor names no session */
            set_text(&arguments, most, "1");
            arguments.count = most + 1;
            expect_refused(f, call, &arguments, MUSTER_BAD_REQUEST, "too many arguments");
        }
    });
}

static void test_too_many_beats(void **state) {
    struct mt_fixture *f = *state;
    const char *words[2 + 2 * 257 + 1] = {"beats", f->epoch};
    for (size_t i = 0; i < 257; i++) {
        words[2 + 2 * i] = "node-1";
        words[3 + 2 * i] = "a";
    }
    nothing_happens(f, mt_refused_at(f->redis, __FILE__, __LINE__, MUSTER_BAD_REQUEST, words));
}

static void test_keys(void **state) {
    struct mt_fixture *f = *state;
    static const char *const bad[] = {"t", "{t", "t}", "{}", "{a b}", "{t}:", "x{t}", "{a/b}"};
    nothing_happens(f, {
        for (EACH_CALL(call)) {
            for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
                redisReply *reply =
                    mt_try_command(f->redis, "FCALL muster_%s 1 %s", call->function, bad[i]);
                assert_int_equal(reply->type, REDIS_REPLY_ERROR);
                assert_true(strncmp(reply->str, "BAD_", 4) == 0);
            }
            redisReply *reply = mt_try_command(f->redis, "FCALL muster_%s 0", call->function);
            assert_true(strncmp(reply->str, "BAD_REQUEST ", 12) == 0);
            reply = mt_try_command(f->redis, "FCALL muster_%s 2 {t} {t}2", call->function);
            assert_true(strncmp(reply->str, "BAD_REQUEST ", 12) == 0);
        }
    });
}

static void test_ids(void **state) {
    struct mt_fixture *f = *state;
    char long_id[130];
    memset(long_id, 'x', 129);
    long_id[129] = '\0';
    const struct {
        const char *bytes;
        size_t length;
    } bad[] = {{"", 0},     {long_id, 129}, {"a b", 3},  {"a/b", 3}, {"\xc3\xa9", 2},
               {"a\nb", 3}, {"a:b", 3},     {"a#b", 3},  {"{a}", 3}, {"a,b", 3},
               {"a\0b", 3}, {"\"", 1},      {"a\\b", 3}, {"a%b", 3}, {"a*", 2},
               {"\x7f", 1}, {"a\xff", 2},   {"a'", 2},   {" a", 2},  {"a ", 2}};
    nothing_happens(f, {
        for (EACH_CALL(call)) {
            for (size_t i = 0; call->kinds[i] != '\0'; i++) {
                for (size_t k = 0; call->kinds[i] == 'i' && k < sizeof bad / sizeof *bad; k++) {
                    struct arguments arguments = arguments_of(f, call);
                    if (strcmp(call->function, "elect") == 0 && strchr(bad[k].bytes, ':') != NULL)
                        continue; /* a ghost's name */
                    set_bytes(&arguments, i, bad[k].bytes, bad[k].length);
                    expect_refused(f, call, &arguments, MUSTER_BAD_ID, bad[k].bytes);
                }
            }
        }
    });
}

static void test_good_ids(void **state) {
    struct mt_fixture *f = *state;
    char long_id[129] = "azAZ09._~@|+=-";
    memset(long_id + strlen(long_id), 'x', 128 - strlen(long_id));
    long_id[128] = '\0';
    mt_start(f, long_id, long_id);
    char user[160];
    snprintf(user, sizeof user, "{\"user\":\"%s\"}", long_id);
    json_t *reply = mt_enter(f, long_id, long_id, long_id, long_id, user);
    assert_string_equal(mt_str(reply, "leader"), long_id);
    mt_events_sync(f->events);
    assert_int_equal(mt_events_count(f->events, 0, "member.joined", "session", long_id), 1);
}

static void test_numbers(void **state) {
    struct mt_fixture *f = *state;
    static const char *const bad[] = {"x",   "1.5", "-1",  "1e3", "99999999999999999999",
                                      " 1",  "1 ",  "0x1", "NaN", "1\n2",
                                      "--1", "+",   "١"};
    nothing_happens(f, {
        for (EACH_CALL(call)) {
            for (size_t i = 0; call->kinds[i] != '\0'; i++) {
                for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
                    struct arguments arguments = arguments_of(f, call);
                    set_text(&arguments, i, bad[k]);
                    if (strchr("nN", call->kinds[i]) != NULL)
                        expect_refused(f, call, &arguments, MUSTER_BAD_REQUEST, bad[k]);
                }
                if (call->kinds[i] == 'n') {
                    struct arguments arguments = arguments_of(f, call);
                    set_text(&arguments, i, "");
                    expect_refused(f, call, &arguments, MUSTER_BAD_REQUEST, "no number");
                }
            }
        }
        mt_refused(f->redis, MUSTER_BAD_REQUEST, "elect", f->epoch, "node-9", "0");
        mt_refused(f->redis, MUSTER_BAD_REQUEST, "elect", "9007199254740993", "node-9", "1");
        mt_refused(f->redis, MUSTER_BAD_REQUEST, "elect", f->epoch, "node-9", "513");
        mt_refused(f->redis, MUSTER_BAD_REQUEST, "sweep", f->epoch, "0", "513");
        mt_refused(f->redis, MUSTER_BAD_REQUEST, "reap", f->epoch, "node-3:c", "0", "4097");
        mt_refused(f->redis, MUSTER_BAD_REQUEST, "reap", f->epoch, "node-3", "0", "1");
        mt_refused(f->redis, MUSTER_BAD_ID, "reap", f->epoch, "node 3:c", "0", "1");
        mt_refused(f->redis, MUSTER_BAD_REQUEST, "acquire", "x", "y", "0", "0");
        mt_refused(f->redis, MUSTER_BAD_REQUEST, "renew", f->epoch, "hand-1", "0");
    });
}

static const struct {
    const char *bytes;
    size_t length; /* 0: up to the NUL */
} bad_json[] = {
    {"[]", 0},
    {"1", 0},
    {"null", 0},
    {"\"x\"", 0},
    {"{", 0},
    {"}", 0},
    {" ", 0},
    {"x", 0},
    {"{}{}", 0},
    {"{} x", 0},
    {"{},", 0},
    {"{\"a\":01}", 0},
    {"{\"a\":-01}", 0},
    {"{\"a\":NaN}", 0},
    {"{\"a\":nan}", 0},
    {"{\"a\":Infinity}", 0},
    {"{\"a\":-inf}", 0},
    {"{\"a\":1.}", 0},
    {"{\"a\":.5}", 0},
    {"{\"a\":+1}", 0},
    {"{\"a\":1e}", 0},
    {"{\"a\":1e+}", 0},
    {"{\"a\":-}", 0},
    {"{\"a\":--1}", 0},
    {"{\"a\":0x1}", 0},
    {"{\"a\":1 2}", 0},
    {"{\"a\":1-2}", 0},
    {"{\"a\":tru}", 0},
    {"{\"a\":True}", 0},
    {"{\"a\":nulll}", 0},
    {"{'a':1}", 0},
    {"{a:1}", 0},
    {"{1:1}", 0},
    {"{\"a\":1,}", 0},
    {"{,\"a\":1}", 0},
    {"{\"a\" 1}", 0},
    {"{\"a\":}", 0},
    {"{\"a\"}", 0},
    {"{:1}", 0},
    {"{\"a\":1:2}", 0},
    {"{\"a\":[1,]}", 0},
    {"{\"a\":[,1]}", 0},
    {"{\"a\":[1 2]}", 0},
    {"{\"a\":[}", 0},
    {"{\"a\":]}", 0},
    {"{\"a\":[1}}", 0},
    {"{\"a\":{]}", 0},
    {"{\"a\":\"x}", 0},
    {"{\"a\":\"x\"y\"}", 0},
    {"{\"a\":/}", 0},
    {"{/*x*/}", 0},
    {"{}//x", 0},
    {"{\"a\":\"\t\"}", 0},
    {"{\"a\":\"\n\"}", 0},
    {"{\"a\":\"\x1f\"}", 0},
    {"{\"a\":\x01}", 0},
    {"{\x01:\x02}", 0},
    {"{\"a\":\x02}", 0},
    {"{\"a\":\"x\0y\"}", 11},
    {"{\0}", 3},
    {"{}\0", 3},
    {"{\v}", 0},
    {"{\f}", 0},
    {"{\xc2\xa0}", 0},
    {"{\"a\":\"\\x\"}", 0},
    {"{\"a\":\"\\'\"}", 0},
    {"{\"a\":\"\\u12\"}", 0},
    {"{\"a\":\"\\u12g4\"}", 0},
    {"{\"a\":\"\\U0041\"}", 0},
    {"{\"a\":\"\\\"}", 0},
    {"{\"a\":\\\"x\"}", 0},
    {"{\"a\":1\\n}", 0},
    {"\\{}", 0},
    {"{}\\", 0},
    {"{\"a\":\"\\ud800\"}", 0},
    {"{\"a\":\"\\udc00\\ud800\"}", 0},
    {"{\"a\":\"\\ud83dx\\ude00\"}", 0},
    {"{\"a\":\"\xff\"}", 0},
    {"{\"a\":\"\x80\"}", 0},
    {"{\"a\":\"\xc0\xaf\"}", 0},
    {"{\"a\":\"\xc1\xbf\"}", 0},
    {"{\"a\":\"\xe0\x80\xaf\"}", 0},
    {"{\"a\":\"\xe2\x82\"}", 0},
    {"{\"a\":\"\xed\xa0\x80\"}", 0},
    {"{\"a\":\"\xf0\x80\x80\x80\"}", 0},
    {"{\"a\":\"\xf4\x90\x80\x80\"}", 0},
    {"{\"a\":\"\xf5\x80\x80\x80\"}", 0},
    {"{\"a\":\"\xc3\xc3\xa9\xa9\"}", 0},
    {"{\"\xc3\":1}", 0},
    {"\xef\xbb\xbf{}", 0},
    {"{\"a\":\xc3\xa9}", 0},
};

static void expect_json_refused(struct mt_fixture *f, enum muster_status wanted, const char *bytes,
                                size_t length) {
    for (EACH_CALL(call)) {
        for (size_t i = 0; call->kinds[i] != '\0'; i++) {
            struct arguments arguments = arguments_of(f, call);
            set_bytes(&arguments, i, bytes, length);
            if (strchr("oOpPsW", call->kinds[i]) != NULL)
                expect_refused(f, call, &arguments, wanted, bytes);
        }
    }
}

static void test_json(void **state) {
    struct mt_fixture *f = *state;
    nothing_happens(f, {
        for (size_t k = 0; k < sizeof bad_json / sizeof *bad_json; k++) {
            const char *bytes = bad_json[k].bytes;
            size_t length = bad_json[k].length == 0 ? strlen(bytes) : bad_json[k].length;
            expect_json_refused(f, MUSTER_BAD_JSON, bytes, length);
        }
    });
}

/* `{"a":` and then arrays, `depth` levels in all. */
static void nest(char *text, size_t depth) {
    strcpy(text, "{\"a\":");
    memset(text + 5, '[', depth - 1);
    memset(text + 5 + depth - 1, ']', depth - 1);
    strcpy(text + 5 + 2 * (depth - 1), "}");
}

static void test_deep_and_huge_json(void **state) {
    struct mt_fixture *f = *state;
    char deep[128];
    static char huge[1 << 20];
    nothing_happens(f, {
        nest(deep, 33);
        expect_json_refused(f, MUSTER_BAD_JSON, deep, strlen(deep));
        memset(huge, 'x', sizeof huge);
        memcpy(huge, "{\"a\":\"", 6);
        for (size_t size = 4097; size <= sizeof huge; size *= 16) {
            memcpy(huge + size - 2, "\"}", 2);
            expect_json_refused(f, MUSTER_TOO_LARGE, huge, size);
            huge[size - 2] = 'x';
            huge[size - 1] = 'x';
        }
        memset(huge, '[', sizeof huge);
        expect_json_refused(f, MUSTER_TOO_LARGE, huge, sizeof huge);
    });
}

static void test_good_json(void **state) {
    struct mt_fixture *f = *state;
    char deep[128];
    char large[4097];
    nest(deep, 32);
    memset(large, 'x', 4096);
    memcpy(large, "{\"a\":\"", 6);
    memcpy(large + 4094, "\"}", 3);
    const char *good[] = {
        deep,
        large,
        "{}",
        " {\t\"a\"\r\n: [ ] , \"b\":{ } } ",
        "{\"\":0,\"a\":-0,\"b\":-0.0e+00}",
        "{\"a\":1E300,\"b\":123456789012345678901234567890.5}",
        "{\"a\":[true,false,null]}",
        "{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\\ud83d\\ude00\\uFFFF\"}",
        "{\"a\":\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xf4\x8f\xbf\xbf\xef\xbf\xbf\x7f\"}",
        "{\"a\":\"{[,:]}'//\"}",
        "{\"a\":\"\\\\\"}",
        "{\"\\u0061\":\"\\\\u12\"}",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        mt_ok(f->redis, "update", "c1", "node-1", "a", good[i]);
        const char *member = mt_text(f->redis, "HGET " MT_NS "session:room c1");
        assert_non_null(strstr(member, good[i]));
    }
}

static void test_options(void **state) {
    struct mt_fixture *f = *state;
    static const char *const bad[] = {
        "{\"unknown\":1}",       "{\"User\":\"u\"}",       "{\"\":1}",
        "{\"ttl\":0}",           "{\"resume\":\"\"}",      "{\"exclusive\":1}",
        "{\"ttl\":\"1\"}",       "{\"resume\":1}",         "{\"exclusive\":null}",
        "{\"ttl\":1.5}",         "{\"ttl\":2592000001}",   "{\"resume\":null}",
        "{\"user\":1}",          "{\"user\":null}",        "{\"user\":[]}",
        "{\"user\":{}}",         "{\"user\":true}",        "{\"lead\":1}",
        "{\"lead\":\"no\"}",     "{\"lead\":null}",        "{\"priority\":\"1\"}",
        "{\"priority\":1.5}",    "{\"priority\":1024}",    "{\"priority\":-1024}",
        "{\"priority\":1e400}",  "{\"priority\":null}",    "{\"priority\":true}",
        "{\"limit\":0}",         "{\"limit\":-1}",         "{\"limit\":1.5}",
        "{\"limit\":\"5\"}",     "{\"limit\":null}",       "{\"limit\":1e300}",
        "{\"keep\":true}",       "{\"priority, lead\":1}", "{\"user\\u0000\":\"u1\"}",
        "{\"limit\":5,\"x\":1}",
    };
    static const char *const bad_users[] = {"{\"user\":\"\"}", "{\"user\":\"a b\"}",
                                            "{\"user\":\"a/b\"}", "{\"user\":\"\\u0000\"}",
                                            "{\"user\":\"\xc3\xa9\"}"};
    nothing_happens(f, {
        for (EACH_CALL(call)) {
            const char *options = strchr(call->kinds, 'O');
            if (options == NULL)
                continue;
            for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
                struct arguments arguments = arguments_of(f, call);
                set_text(&arguments, (size_t)(options - call->kinds), bad[k]);
                expect_refused(f, call, &arguments, MUSTER_BAD_REQUEST, bad[k]);
            }
            for (size_t k = 0; k < sizeof bad_users / sizeof *bad_users; k++) {
                struct arguments arguments = arguments_of(f, call);
                bool takes_users = strcmp(call->function, "join") != 0;
                set_text(&arguments, (size_t)(options - call->kinds), bad_users[k]);
                expect_refused(f, call, &arguments,
                               takes_users ? MUSTER_BAD_ID : MUSTER_BAD_REQUEST, bad_users[k]);
            }
        }
        mt_refused(f->redis, MUSTER_BAD_REQUEST, "register", "c9", "node-1", "a",
                   "{\"lead\":true}");
        mt_refused(f->redis, MUSTER_BAD_REQUEST, "join", "room", "c3", "node-1", "a",
                   "{\"user\":\"u1\"}");
    });
}

static void test_details(void **state) {
    struct mt_fixture *f = *state;
    char detail[258];
    memset(detail, 'x', 257);
    detail[257] = '\0';
    nothing_happens(f, {
        mt_refused(f->redis, MUSTER_TOO_LARGE, "kick", "room", "c1", detail);
        mt_refused(f->redis, MUSTER_BAD_REQUEST, "kick", "room", "c1", "\xff");
        mt_refused(f->redis, MUSTER_BAD_REQUEST, "kick", "room", "c1", "\xed\xa0\x80");
    });
    detail[256] = '\0';
    mt_ok(f->redis, "kick", "room", "c1", detail);
}

static void test_settings(void **state) {
    struct mt_fixture *f = *state;
    static const char *const bad[] = {
        "{}",
        "{\"heartbeat_ms\":\"1\",\"suspect_after_ms\":3000,\"resume_grace_ms\":5000,"
        "\"profile\":4096,\"sessions_per_connection\":128,\"grace_ms\":1}",
        "{\"heartbeat_ms\":0,\"suspect_after_ms\":3000,\"resume_grace_ms\":5000,"
        "\"profile\":4096,\"sessions_per_connection\":128,\"grace_ms\":1}",
        "{\"heartbeat_ms\":1000,\"suspect_after_ms\":3000.5,\"resume_grace_ms\":5000,"
        "\"profile\":4096,\"sessions_per_connection\":128,\"grace_ms\":1}",
        "{\"heartbeat_ms\":1000,\"suspect_after_ms\":3000,\"resume_grace_ms\":-1,"
        "\"profile\":4096,\"sessions_per_connection\":128,\"grace_ms\":1}",
        "{\"heartbeat_ms\":1000,\"suspect_after_ms\":3000,\"resume_grace_ms\":5000,"
        "\"profile\":4096,\"sessions_per_connection\":128}",
    };
    nothing_happens(f, {
        for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
            mt_refused(f->redis, MUSTER_BAD_REQUEST, "confirm", f->epoch, "gen-1", "r", bad[k]);
            mt_refused(f->redis, MUSTER_BAD_REQUEST, "rotate", f->epoch, "g", "0", "r", bad[k]);
        }
        mt_refused(f->redis, MUSTER_BAD_REQUEST, "acquire", "x", "y", "1000", "0", "a b");
        mt_refused(f->redis, MUSTER_BAD_REQUEST, "bury", f->epoch, "node-1", "a",
                   mt_score(f, "node-1"), "kicked");
    });
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_the_valid_calls_are_valid, populate),
        cmocka_unit_test_setup(test_arity, populate),
        cmocka_unit_test_setup(test_too_many_beats, populate),
        cmocka_unit_test_setup(test_keys, populate),
        cmocka_unit_test_setup(test_ids, populate),
        cmocka_unit_test_setup(test_good_ids, populate),
        cmocka_unit_test_setup(test_numbers, populate),
        cmocka_unit_test_setup(test_json, populate),
        cmocka_unit_test_setup(test_deep_and_huge_json, populate),
        cmocka_unit_test_setup(test_good_json, populate),
        cmocka_unit_test_setup(test_options, populate),
        cmocka_unit_test_setup(test_details, populate),
        cmocka_unit_test_setup(test_settings, populate),
    };
    return cmocka_run_group_tests(tests, mt_fixture_start, mt_fixture_end);
}
