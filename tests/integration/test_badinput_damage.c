/* Wrong types and unreadable values under every key that a function touches: it says INTERNAL
 * (or that the data is not confirmed), changes nothing and publishes nothing. */
#include "lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/fixture.h"

enum { MOST_WORDS = 8 };

struct damaged_call {
    const char *words[MOST_WORDS]; /* EPOCH SCORE LEASE are filled in */
    /* The keys (without namespace, separated by spaces) that must be refused when they hold a
     * list. Every other key must either be refused, too, or stay as it is. */
    const char *refused;
};

static const struct damaged_call calls[] = {
    {{"start", "node-9", "n"}, "buried config epoch instance:node-9 instances"},
    {{"start", "node-1", "a2"},
     "buried config epoch ghosts ghosts:node-1:a ghosts:node-1:a:leads "
     "instance:node-1 instance:node-1:connections instance:node-1:leads instances"},
    {{"heartbeat", "node-1", "a"}, "config epoch instance:node-1 instances"},
    {{"heartbeat", "node-2", "b"},
     "config epoch instance:node-2 instance:node-2:connections instances"},
    {{"stop", "node-1", "a"},
     "buried config ghosts ghosts:node-1:a ghosts:node-1:a:leads instance:node-1 "
     "instance:node-1:connections instance:node-1:leads instances"},
    {{"register", "c9", "node-1", "a"}, "config instance:node-1 instance:node-1:connections"},
    {{"unregister", "c1", "node-1", "a"},
     "clock config instance:node-1 instance:node-1:connections instance:node-1:leads "
     "leaderless session:hall session:hall:candidates session:hall:users session:room "
     "session:room:candidates session:room:users sessions"},
    {{"update", "c1", "node-1", "a", "{\"x\":1}"},
     "clock config instance:node-1 instance:node-1:connections session:hall "
     "session:hall:candidates session:room session:room:candidates sessions"},
    {{"enter", "room", "c9", "node-1", "a", "{\"user\":\"u1\"}"},
     "config instance:node-1 instance:node-1:connections session:room "
     "session:room:candidates session:room:users"},
    {{"enter", "room", "c9", "node-1", "a"}, /* the fast path */
     "config instance:node-1 instance:node-1:connections session:room session:room:candidates"},
    {{"enter", "new", "c9", "node-1", "a", "{\"user\":\"u9\"}"},
     "clock config instance:node-1 instance:node-1:connections instance:node-1:leads "
     "leaderless session:new session:new:candidates session:new:users sessions"},
    {{"enter", "room", "g1", "node-3", "c2"},
     "config ghosts:node-3:c ghosts:node-3:c:leads instance:node-3 "
     "instance:node-3:connections instance:node-3:leads leaderless session:room "
     "session:room:candidates"},
    {{"enter", "room", "g1", "node-1", "a"},
     "config ghosts:node-3:c instance:node-1 instance:node-1:connections "
     "instance:node-1:leads instance:node-3 leaderless session:room "
     "session:room:candidates"},
    {{"enter", "solo", "c9", "node-1", "a"},
     "clock config instance:node-1 instance:node-1:connections "
     "instance:node-1:leads leaderless session:solo session:solo:candidates "
     "sessions"},
    {{"join", "room", "c3", "node-1", "a"},
     "config instance:node-1 instance:node-1:connections session:room "
     "session:room:candidates"},
    {{"leave", "room", "c1", "node-1", "a"},
     "config instance:node-1 instance:node-1:connections instance:node-1:leads "
     "leaderless session:room session:room:candidates session:room:users"},
    {{"leave", "hall", "c1", "node-1", "a"},
     "clock config instance:node-1 instance:node-1:connections instance:node-1:leads "
     "leaderless session:hall session:hall:candidates session:hall:users sessions"},
    {{"leave", "solo", "c4", "node-2", "b"},
     "clock config instance:node-2 instance:node-2:connections leaderless "
     "session:solo session:solo:candidates session:solo:users sessions"},
    {{"promote", "room", "c2"},
     "config instance:node-1 instance:node-1:leads leaderless session:room "
     "session:room:candidates"},
    {{"promote", "room", "c5"},
     "config instance:node-1 instance:node-1:leads instance:node-4 leaderless "
     "session:room session:room:candidates"},
    {{"kick", "room", "c1"},
     "config instance:node-1 instance:node-1:connections instance:node-1:leads "
     "leaderless session:room session:room:candidates session:room:users"},
    {{"kick", "room", "g1"},
     "config ghosts:node-3:c instance:node-3 session:room session:room:candidates"},
    {{"kick", "hall", "c1"},
     "clock config instance:node-1 instance:node-1:connections instance:node-1:leads "
     "leaderless session:hall session:hall:candidates session:hall:users sessions"},
    {{"acquire", "x", "y", "60000", "0", "", "LEASE"}, "config coordinator epoch"},
    {{"renew", "EPOCH", "hand-1", "600000"}, "config coordinator"},
    {{"release", "EPOCH", "hand-1"}, "coordinator"},
    {{"confirm", "EPOCH", "gen-1", "run-9", MT_SETTINGS}, "config coordinator"},
    {{"rotate", "EPOCH", "gen-9", "0", "run-9", MT_SETTINGS}, "clock config coordinator epoch"},
    {{"beats", "EPOCH", "node-2", "b", "node-1", "a"},
     "config coordinator instance:node-1 instance:node-2 instance:node-2:connections "
     "instances"},
    {{"suspect", "EPOCH", "node-1", "a", "SCORE"},
     "config coordinator instance:node-1 instance:node-1:connections "
     "instance:node-1:leads instances"},
    {{"bury", "EPOCH", "node-1", "a", "SCORE", "instance-dead"},
     "buried config coordinator ghosts ghosts:node-1:a ghosts:node-1:a:leads "
     "instance:node-1 instance:node-1:connections instance:node-1:leads instances"},
};

static void populate(struct mt_fixture *f) {
    void *state = f;
    mt_fixture_fresh(&state);
    mt_start(f, "node-1", "a");
    mt_start(f, "node-2", "b");
    mt_start(f, "node-3", "c");
    mt_start(f, "node-4", "d");
    mt_enter(f, "room", "c1", "node-1", "a", "{\"user\":\"u1\"}");
    mt_enter(f, "room", "c2", "node-1", "a", NULL);
    mt_enter(f, "room", "c5", "node-4", "d", NULL);
    mt_enter(f, "hall", "c1", "node-1", "a", NULL);
    mt_ok(f->redis, "register", "c3", "node-1", "a");
    mt_enter(f, "room", "g1", "node-3", "c", NULL);
    mt_enter(f, "cave", "g1", "node-3", "c", NULL);
    mt_bury(f, "node-3", "c");
    mt_start(f, "node-3", "c2");
    mt_enter(f, "solo", "c4", "node-2", "b", NULL);
    mt_enter(f, "dusk", "c4", "node-2", "b", NULL);
    mt_suspect(f, "node-2", "b");
    mt_ok(f->redis, "elect", f->epoch, "node-2", "1");
    mt_ok(f->redis, "elect", f->epoch, "node-2", "10");
    mt_command(f->redis, "SET " MT_NS "clock 1");
    mt_events_skip(f->events);
}

/* The populated database, to be put back quickly: key, serialized value, ms to live. */
struct image {
    size_t count;
    struct saved {
        char key[64];
        char *bytes;
        size_t length;
        long long ttl;
    } saved[80];
};

static void save(struct mt_fixture *f, struct image *image) {
    redisReply *keys = mt_command(f->redis, "KEYS *");
    assert_true(keys->elements < 80);
    image->count = keys->elements;
    for (size_t i = 0; i < keys->elements; i++) {
        struct saved *saved = &image->saved[i];
        redisReply *bytes = mt_command(f->redis, "DUMP %s", keys->element[i]->str);
        snprintf(saved->key, sizeof saved->key, "%s", keys->element[i]->str);
        saved->length = (size_t)bytes->len;
        saved->bytes = malloc(saved->length);
        assert_non_null(saved->bytes);
        memcpy(saved->bytes, bytes->str, saved->length);
        saved->ttl =
            strstr(saved->key, "coordinator") != NULL || strstr(saved->key, ":alive") ? 3600000 : 0;
    }
}

static void put_back(struct mt_fixture *f, const struct image *image) {
    redisContext *context = mt_redis_context(f->redis);
    mt_redis_forget(f->redis);
    redisAppendCommand(context, "FLUSHALL");
    /* drop() frees them; the analyzer ends its path before. */
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
    for (size_t i = 0; i < image->count; i++) {
        const struct saved *saved = &image->saved[i];
        redisAppendCommand(context, "RESTORE %s %lld %b", saved->key, saved->ttl, saved->bytes,
                           saved->length);
    }
    mt_drain(f->redis, image->count + 1);
    f->epoch = mt_text(f->redis, "GET " MT_NS "epoch");
    mt_ok(f->redis, "confirm", f->epoch, "gen-1", "run-1", MT_SETTINGS);
    mt_events_skip(f->events);
}

static void drop(struct image *image) {
    for (size_t i = 0; i < image->count; i++)
        free(image->saved[i].bytes);
}

static const char *fill_in(struct mt_fixture *f, const char *word) {
    if (strcmp(word, "EPOCH") == 0)
        return f->epoch;
    if (strcmp(word, "SCORE") == 0)
        return mt_text(f->redis, "ZSCORE " MT_NS "instances node-1");
    if (strcmp(word, "LEASE") == 0)
        return mt_text(f->redis, "GET " MT_NS "coordinator");
    return word;
}

static size_t fill_all(struct mt_fixture *f, const struct damaged_call *call,
                       const char *words[MOST_WORDS]) {
    size_t count = 0;
    for (; count < MOST_WORDS && call->words[count] != NULL; count++)
        words[count] = fill_in(f, call->words[count]);
    return count;
}

static bool is_listed(const char *list, const char *key) {
    size_t length = strlen(key);
    for (const char *at = list; (at = strstr(at, key)) != NULL; at += length)
        if ((at == list || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0'))
            return true;
    return false;
}

/* Calls over damaged data: refused, and then without any change, or not. */
static bool is_refused(struct mt_fixture *f, const struct image *image,
                       const struct damaged_call *call, const char *damage) {
    const char *words[MOST_WORDS];
    const char *error = "";
    put_back(f, image);
    size_t count = fill_all(f, call, words); /* before the damage */
    mt_command(f->redis, damage);
    char *before = mt_dump(f->redis);
    enum muster_status status =
        mt_call(f->redis, words[0], count - 1, words + 1, NULL, NULL, &error);
    if (status != MUSTER_OK) {
        char *after = mt_dump(f->redis);
        if (status != MUSTER_INTERNAL && status != MUSTER_UNAVAILABLE &&
            status != MUSTER_STALE_EPOCH)
            mt_fail(f->world, "muster_%s after %s: %s", words[0], damage, error);
        if (strcmp(before, after) != 0)
            print_error("muster_%s after %s: %s\n", words[0], damage, error);
        mt_assert_same_dump(before, after);
        mt_expect_no_events(f->events);
        free(after);
    }
    free(before);
    return status != MUSTER_OK;
}

/* A quick look, without a comparison: is it refused at all? */
static bool seems_refused(struct mt_fixture *f, const struct image *image,
                          const struct damaged_call *call, const char *damage) {
    const char *words[MOST_WORDS];
    put_back(f, image);
    size_t count = fill_all(f, call, words);
    mt_command(f->redis, damage);
    return mt_call(f->redis, words[0], count - 1, words + 1, NULL, NULL, NULL) != MUSTER_OK;
}

static void try_key(struct mt_fixture *f, const struct image *image,
                    const struct damaged_call *call, const char *key) {
    char damage[128];
    snprintf(damage, sizeof damage,
             "EVAL redis.call('del',KEYS[1])redis.call('rpush',KEYS[1],1) 1 " MT_NS "%.50s", key);
    bool refused = (is_listed(call->refused, key) || seems_refused(f, image, call, damage)) &&
                   is_refused(f, image, call, damage);
    if (!refused && is_listed(call->refused, key))
        mt_fail(f->world, "muster_%s %s %s takes a list in %s", call->words[0], call->words[1],
                call->words[2], key);
    /* else it has no use for that key (`alive` is a hint that may be written over) */
    size_t length = strlen(key);
    bool hint = length > 6 && strcmp(key + length - 6, ":alive") == 0;
    if (!refused && !hint && strcmp(mt_text(f->redis, "TYPE " MT_NS "%s", key), "list") != 0)
        mt_fail(f->world, "muster_%s wrote over %s", call->words[0], key);
}

/* Every key there is, and those that a call may make. */
static size_t list_keys(struct mt_fixture *f, char keys[][64], size_t room) {
    static const char *const absent[] = {"session:new",
                                         "session:new:candidates",
                                         "session:new:users",
                                         "session:solo:users",
                                         "ghosts:node-1:a",
                                         "ghosts:node-1:a:leads",
                                         "instance:node-9",
                                         "instance:node-9:alive",
                                         "instance:node-1:alive",
                                         "instance:node-2:alive",
                                         "instance:node-9:connections",
                                         "instance:node-9:leads",
                                         "instance:node-3:connections",
                                         "instance:node-3:leads"};
    size_t count = 0;
    redisReply *reply = mt_command(f->redis, "KEYS " MT_NS "*");
    for (size_t i = 0; i < reply->elements && count < room; i++)
        snprintf(keys[count++], 64, "%s", reply->element[i]->str + strlen(MT_NS));
    for (size_t i = 0; i < sizeof absent / sizeof *absent && count < room; i++)
        if (mt_integer(f->redis, "EXISTS " MT_NS "%s", absent[i]) == 0)
            snprintf(keys[count++], 64, "%s", absent[i]);
    return count;
}

static void test_wrong_types(void **state) {
    struct mt_fixture *f = *state;
    struct image image;
    char keys[80][64];
    populate(f);
    save(f, &image);
    size_t count = list_keys(f, keys, 80);
    assert_true(count > 30 && count < 80);
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        for (size_t k = 0; k < count; k++)
            try_key(f, &image, &calls[i], keys[k]);
    drop(&image);
}

/* Right types, but what they hold cannot be read. `refuses` is a call that must find out. */
static void test_unreadable_values(void **state) {
    struct mt_fixture *f = *state;
    static const struct {
        const char *damage;
        struct damaged_call refuses;
    } all[] = {
        {"HSET " MT_NS "session:room #seq x", {{"leave", "room", "c1", "node-1", "a"}, ""}},
        {"HSET " MT_NS "session:room #term x", {{"promote", "room", "c2"}, ""}},
        {"HSET " MT_NS "session:room #count x", {{"kick", "room", "c1"}, ""}},
        {"HSET " MT_NS "session:room #anonymous x", {{"enter", "room", "c9", "node-1", "a"}, ""}},
        {"HSET " MT_NS "session:room #limit x", {{"enter", "room", "c9", "node-1", "a"}, ""}},
        {"HSET " MT_NS "session:room c1 x", {{"leave", "room", "c1", "node-1", "a"}, ""}},
        {"HSET " MT_NS "session:room c1 {}", {{"unregister", "c1", "node-1", "a"}, ""}},
        {"HSET " MT_NS "session:room:users u1 x", {{"leave", "room", "c1", "node-1", "a"}, ""}},
        {"HSET " MT_NS "instance:node-1:connections c1 x",
         {{"unregister", "c1", "node-1", "a"}, ""}},
        {"HSET " MT_NS "instance:node-1:connections c1 x",
         {{"update", "c1", "node-1", "a", "{\"x\":1}"}, ""}},
        {"SET " MT_NS "clock x", {{"enter", "new", "c9", "node-1", "a"}, ""}},
        {"SET " MT_NS "clock x", {{"leave", "hall", "c1", "node-1", "a"}, ""}},
        {"SET " MT_NS "epoch x", {{"acquire", "x", "y", "60000", "0", "", "LEASE"}, ""}},
        {"HSET " MT_NS "config packed x", {{"enter", "new", "c9", "node-1", "a"}, ""}},
        {"HSET " MT_NS "config packed gen-1/a/b/c/d/e", {{"start", "node-9", "n"}, ""}},
        {"HDEL " MT_NS "config packed", {{"heartbeat", "node-1", "a"}, ""}},
        {"SET " MT_NS "coordinator x", {{"renew", "EPOCH", "hand-1", "600000"}, ""}},
        {"SET " MT_NS "coordinator a/b/c/d/e", {{"beats", "EPOCH", "node-1", "a"}, ""}},
    };
    struct image image;
    populate(f);
    save(f, &image);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (!is_refused(f, &image, &all[i].refuses, all[i].damage))
            mt_fail(f->world, "muster_%s does not see %s", all[i].refuses.words[0], all[i].damage);
        for (size_t k = 0; k < sizeof calls / sizeof *calls; k++)
            is_refused(f, &image, &calls[k], all[i].damage);
    }
    drop(&image);
}

/* In a slice one damaged session must not hold up the others. */
static void test_slices_pass_damage_by(void **state) {
    struct mt_fixture *f = *state;
    populate(f);
    char session[32];
    for (int i = 0; i < 6; i++) {
        snprintf(session, sizeof session, "m%d", i);
        mt_enter(f, session, "c1", "node-1", "a", NULL);
        mt_enter(f, session, "c5", "node-4", "d", NULL);
    }
    mt_command(f->redis, "HSET " MT_NS "session:m2 #seq x");
    mt_command(f->redis, "DEL " MT_NS "session:m3:candidates");
    mt_command(f->redis, "RPUSH " MT_NS "session:m3:candidates x");
    mt_suspect(f, "node-1", "a");
    json_t *reply = mt_ok(f->redis, "elect", f->epoch, "node-1", "100");
    assert_int_equal(mt_int(reply, "damaged"), 2);
    for (int i = 0; i < 6; i++) {
        snprintf(session, sizeof session, "m%d", i);
        assert_string_equal(mt_leader(f, session), i == 2 || i == 3 ? "c1" : "c5");
    }
    mt_bury(f, "node-1", "a");
    mt_events_skip(f->events);
    mt_reap(f, "node-1:a");
    mt_events_sync(f->events);
    assert_int_equal(mt_events_count(f->events, 0, "member.left", "session", "m4"), 1);
    assert_int_equal(mt_events_count(f->events, 0, NULL, "session", "m2"), 0);
    assert_int_equal(mt_events_count(f->events, 0, NULL, "session", "m3"), 0);
    assert_int_equal(mt_integer(f->redis, "HLEN " MT_NS "quarantine"), 1);
    assert_int_equal(mt_integer(f->redis, "EXISTS " MT_NS "ghosts:node-1:a"), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wrong_types),
        cmocka_unit_test(test_unreadable_values),
        cmocka_unit_test(test_slices_pass_damage_by),
    };
    return cmocka_run_group_tests(tests, mt_fixture_start, mt_fixture_end);
}
