/* replay.c - the state is JSON: session -> {gen, seq, term, leader, closed, exact, loaded,
 * members: {connection: user or ""}, led: {term: leader}}. `exact` means that the next event must
 * carry seq + 1; `loaded`, that it came from a snapshot and older events may still arrive. */
#include "lib/replay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/test.h"

struct mt_replay {
    struct mt_world *world;
    json_t *sessions;
};

struct mt_replay *mt_replay_create(struct mt_world *world) {
    struct mt_replay *replay = calloc(1, sizeof *replay);
    if (replay == NULL)
        abort();
    replay->world = world;
    replay->sessions = json_object();
    return replay;
}

void mt_replay_destroy(struct mt_replay **pointer) {
    if (*pointer == NULL)
        return;
    json_decref((*pointer)->sessions);
    free(*pointer);
    *pointer = NULL;
}

static _Noreturn void wrong(const struct mt_replay *replay, const json_t *event,
                            const json_t *state, const char *what) {
    char *text = json_dumps(event, JSON_COMPACT | JSON_ENCODE_ANY);
    char *known = json_dumps(state, JSON_COMPACT);
    fprintf(stderr, "%s\n  event  %s\n  before %.2000s\n", what, text, known == NULL ? "" : known);
    free(text);
    free(known);
    mt_fail(replay->world, "%s", what);
}

static json_int_t number(const json_t *object, const char *name) {
    return json_integer_value(json_object_get(object, name));
}

static bool truth(const json_t *object, const char *name) {
    return json_is_true(json_object_get(object, name));
}

static json_t *state_of(struct mt_replay *replay, const char *session) {
    json_t *state = json_object_get(replay->sessions, session);
    if (state != NULL)
        return state;
    state = json_pack("{s:s, s:i, s:i, s:n, s:b, s:b, s:b, s:{}, s:{}}", "gen", "", "seq", 0,
                      "term", 0, "leader", "closed", 1, "exact", 0, "loaded", 0, "members", "led");
    json_object_set_new(replay->sessions, session, state);
    return state;
}

/* One term has one leader (or null), over openings and generations. */
static bool lead(json_t *state, json_int_t term, json_t *leader) {
    char key[32];
    json_t *led = json_object_get(state, "led");
    snprintf(key, sizeof key, "%" JSON_INTEGER_FORMAT, term);
    json_t *before = json_object_get(led, key);
    json_object_set(state, "leader", leader);
    if (before != NULL)
        return json_equal(before, leader);
    json_object_set(led, key, leader);
    return true;
}

static void check_order(struct mt_replay *replay, const json_t *event, const json_t *state) {
    json_int_t seq = number(event, "seq");
    json_int_t term = number(event, "term");
    json_int_t old_seq = number(state, "seq");
    json_int_t old_term = number(state, "term");
    bool same_gen = json_equal(json_object_get(event, "gen"), json_object_get(state, "gen"));
    bool leading = strcmp(mt_str(event, "event"), "leader.changed") == 0;
    bool continues = same_gen && !truth(state, "closed") && truth(state, "exact");
    if (continues && seq != old_seq + 1)
        wrong(replay, event, state, "a seq is missing or comes twice");
    if (seq <= old_seq)
        wrong(replay, event, state, "a seq falls");
    if (term < old_term)
        wrong(replay, event, state, "a term falls");
    if (leading && old_term != 0 && term <= old_term)
        wrong(replay, event, state, "another leader in the same term");
    if (!leading && continues && term != old_term)
        wrong(replay, event, state, "a term grows without a change of leader");
}

static size_t connections_of(const json_t *members, const char *user) {
    const char *connection = NULL;
    json_t *value = NULL;
    size_t count = 0;
    json_object_foreach((json_t *)(uintptr_t)members, connection, value) count +=
        strcmp(json_string_value(value), user) == 0;
    return count;
}

static void follow_join(struct mt_replay *replay, const json_t *event, json_t *state) {
    json_t *members = json_object_get(state, "members");
    const json_t *member = json_object_get(event, "member");
    const char *connection = mt_str(member, "connection");
    const char *user = json_string_value(json_object_get(member, "user"));
    if (json_object_get(members, connection) != NULL)
        wrong(replay, event, state, "a member joins again");
    if (user != NULL && truth(event, "first") != (connections_of(members, user) == 0))
        wrong(replay, event, state, "'first' is wrong");
    json_object_set_new(members, connection, json_string(user == NULL ? "" : user));
    if (number(event, "count") != (json_int_t)json_object_size(members))
        wrong(replay, event, state, "the count after joining is wrong");
    json_object_set_new(state, "closed", json_false());
}

static void follow_leave(struct mt_replay *replay, const json_t *event, json_t *state) {
    json_t *members = json_object_get(state, "members");
    const char *connection = mt_str(event, "connection");
    const char *user = json_string_value(json_object_get(event, "user"));
    const json_t *member = json_object_get(members, connection);
    if (member == NULL)
        wrong(replay, event, state, "somebody leaves who is no member");
    if (strcmp(user == NULL ? "" : user, json_string_value(member)) != 0)
        wrong(replay, event, state, "the user who leaves is not the one who joined");
    json_object_del(members, connection);
    if (user != NULL && truth(event, "last") != (connections_of(members, user) == 0))
        wrong(replay, event, state, "'last' is wrong");
    if (number(event, "count") != (json_int_t)json_object_size(members))
        wrong(replay, event, state, "the count after leaving is wrong");
    if (truth(event, "closed") && json_object_size(members) != 0)
        wrong(replay, event, state, "a session with members is closed");
    json_object_set(state, "closed", truth(event, "closed") ? json_true() : json_false());
    if (truth(event, "closed"))
        json_object_set_new(state, "leader", json_null());
}

/* One name takes the place of another, with the same user. */
static void follow_resumption(struct mt_replay *replay, const json_t *event, json_t *state) {
    json_t *members = json_object_get(state, "members");
    const char *old = mt_str(event, "old");
    const char *connection = mt_str(event, "connection");
    const char *user = json_string_value(json_object_get(json_object_get(event, "member"), "user"));
    json_t *before = json_incref(json_object_get(members, old));
    if (before == NULL)
        wrong(replay, event, state, "somebody is resumed who is no member");
    if (strcmp(json_string_value(before), user == NULL ? "" : user) != 0)
        wrong(replay, event, state, "who was resumed had another user");
    json_object_del(members, old);
    if (json_object_get(members, connection) != NULL)
        wrong(replay, event, state, "a member resumes another");
    json_object_set_new(members, connection, before);
}

static void follow_leader(struct mt_replay *replay, const json_t *event, json_t *state) {
    json_t *leader = json_object_get(event, "leader");
    if (!json_equal(json_object_get(event, "previous"), json_object_get(state, "leader")))
        wrong(replay, event, state, "'previous' is not who led before");
    if (json_is_string(leader) &&
        json_object_get(json_object_get(state, "members"), json_string_value(leader)) == NULL)
        wrong(replay, event, state, "the new leader is no member");
    if (!lead(state, number(event, "term"), leader))
        wrong(replay, event, state, "one term, two leaders");
}

void mt_replay_event(struct mt_replay *replay, const json_t *event) {
    json_t *state = state_of(replay, mt_str(event, "session"));
    const char *name = mt_str(event, "event");
    if (truth(state, "loaded") && number(event, "seq") <= number(state, "seq"))
        return; /* older than the snapshot */
    check_order(replay, event, state);
    if (strcmp(name, "member.joined") == 0)
        follow_join(replay, event, state);
    else if (strcmp(name, "member.left") == 0)
        follow_leave(replay, event, state);
    else if (strcmp(name, "leader.changed") == 0)
        follow_leader(replay, event, state);
    else if (strcmp(name, "member.resumed") == 0)
        follow_resumption(replay, event, state);
    else if (strncmp(name, "member.", 7) != 0)
        wrong(replay, event, state, "an event of an unknown name");
    json_object_set(state, "gen", json_object_get(event, "gen"));
    json_object_set(state, "seq", json_object_get(event, "seq"));
    json_object_set(state, "term", json_object_get(event, "term"));
    json_object_set(state, "exact", json_true());
    json_object_set(state, "loaded", json_false());
}

void mt_replay_follow(struct mt_replay *replay, const struct mt_events *events, size_t *next) {
    const json_t *event = NULL;
    for (; (event = mt_events_at(events, *next)) != NULL; ++*next) {
        if (json_object_get(event, "session") != NULL)
            mt_replay_event(replay, event);
    }
}

/* A session's hash as {gen, seq, term, leader, members}. */
static json_t *snapshot(struct mt_redis *redis, const char *session) {
    redisReply *hash = mt_command(redis, "HGETALL " MT_NS "session:%s", session);
    json_t *state = json_pack("{s:n, s:{}}", "leader", "members");
    json_t *members = json_object_get(state, "members");
    for (size_t i = 0; i + 1 < hash->elements; i += 2) {
        const char *field = hash->element[i]->str;
        const char *value = hash->element[i + 1]->str;
        if (strcmp(field, "#seq") == 0 || strcmp(field, "#term") == 0 ||
            strcmp(field, "#count") == 0) {
            json_object_set_new(state, field + 1, json_integer(strtoll(value, NULL, 10)));
        } else if (strcmp(field, "#gen") == 0) {
            json_object_set_new(state, "gen", json_string(value));
        } else if (strcmp(field, "#leader") == 0) {
            if (value[0] != '\0')
                json_object_set_new(state, "leader", json_string(value));
        } else if (field[0] != '#') {
            json_t *member = json_loads(value, 0, NULL);
            const char *user = json_string_value(json_object_get(member, "user"));
            json_object_set_new(members, field, json_string(user == NULL ? "" : user));
            json_decref(member);
        }
    }
    return state;
}

/* What was forgotten is not used again: later numbers are above those that were seen. False if any
 * was forgotten. */
static bool keep_highest(json_t *now, const json_t *state) {
    static const char *const numbers[] = {"seq", "term"};
    bool whole = true;
    for (size_t i = 0; i < 2; i++)
        if (number(now, numbers[i]) < number(state, numbers[i])) {
            json_object_set(now, numbers[i], json_object_get(state, numbers[i]));
            whole = false;
        }
    return whole;
}

static void load(struct mt_replay *replay, struct mt_redis *redis, bool whole) {
    const char *name = NULL;
    json_t *state = NULL;
    json_object_foreach(replay->sessions, name, state) {
        json_object_set(state, "closed", json_true());
        json_object_set(state, "exact", json_false());
        json_object_set_new(state, "leader", json_null());
        json_object_clear(json_object_get(state, "members"));
    }
    redisReply *sessions = mt_command(redis, "ZRANGE " MT_NS "sessions 0 -1");
    for (size_t i = 0; i < sessions->elements; i++) {
        json_t *now = snapshot(redis, sessions->element[i]->str);
        state = state_of(replay, sessions->element[i]->str);
        if (json_object_get(now, "seq") != NULL) { /* else it closed meanwhile */
            if (whole && number(now, "term") < number(state, "term"))
                wrong(replay, now, state, "a term falls in a snapshot");
            json_t *leader = json_object_get(now, "leader");
            if (!lead(state, number(now, "term"), leader) && whole)
                wrong(replay, now, state, "one term, two leaders");
            bool exact = whole || keep_highest(now, state);
            json_object_update_existing(state, now);
            json_object_set(state, "closed", json_false());
            json_object_set(state, "exact", json_boolean(exact));
            json_object_set(state, "loaded", json_boolean(whole));
        }
        json_decref(now);
    }
    mt_redis_forget(redis);
}

void mt_replay_load(struct mt_replay *replay, struct mt_redis *redis) {
    load(replay, redis, true);
}

void mt_replay_reload(struct mt_replay *replay, struct mt_redis *redis) {
    load(replay, redis, false);
}

void mt_replay_compare(struct mt_replay *replay, struct mt_redis *redis) {
    const char *name = NULL;
    json_t *state = NULL;
    redisReply *sessions = mt_command(redis, "ZRANGE " MT_NS "sessions 0 -1");
    for (size_t i = 0; i < sessions->elements; i++) {
        state = state_of(replay, sessions->element[i]->str);
        if (truth(state, "closed"))
            mt_fail(replay->world, "session %s exists, but the events say that it is closed",
                    sessions->element[i]->str);
    }
    json_object_foreach(replay->sessions, name, state) {
        json_t *now = snapshot(redis, name);
        bool exists = json_object_get(now, "seq") != NULL;
        if (exists == truth(state, "closed"))
            wrong(replay, now, state, "the events tell wrongly whether a session exists");
        static const char *const same[] = {"leader", "members", "seq", "term", "gen"};
        for (size_t i = 0; exists && i < sizeof same / sizeof *same; i++)
            if (!json_equal(json_object_get(now, same[i]), json_object_get(state, same[i])))
                wrong(replay, now, state, same[i]);
        if (exists &&
            number(now, "count") != (json_int_t)json_object_size(json_object_get(now, "members")))
            wrong(replay, now, state, "#count is wrong");
        json_decref(now);
    }
    mt_redis_forget(redis);
}
