/* test_hammer.c - many processes hammer few sessions while two coordinators take the lease from
 * each other, suspect, bury, elect and reap; every event is collected and held against the model.
 *
 * This program is also the processes: `--client N` is an instance with its connections, `--lead N`
 * a coordinator that is in a hurry. They go on through errors that are part of the race and end
 * with a message on any other. Coordinators stop when the key "stop" appears.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/fixture.h"
#include "lib/replay.h"
#include "lib/test.h"
#include "lib/wait.h"

enum { CLIENTS = 5, CALLS = 4000, SESSIONS = 4, OWN = 6, SHARED = 3, CROWD = 100, ROOM = 10 };

#define ALLOWED(status) (UINT64_C(1) << (status))

/* ---- what client and coordinator share ---- */

struct actor {
    struct mt_world *world;
    struct mt_redis *redis;
    unsigned number;
    unsigned long long random;
    unsigned calls;
    unsigned refused;
    unsigned incarnation;
    char instance[16];
    char name[40]; /* of the present incarnation */
};

static size_t below(struct actor *actor, size_t limit) {
    actor->random = actor->random * 6364136223846793005ULL + 1442695040888963407ULL;
    return (size_t)((actor->random >> 33) % limit);
}

/* Any answer but success or one of `allowed` ends the process. */
static enum muster_status call(struct actor *actor, uint64_t allowed, json_t **reply,
                               const char *const words[]) {
    const char *error = "";
    size_t count = 0;
    while (words[count] != NULL)
        count++;
    actor->calls++;
    enum muster_status status =
        mt_call(actor->redis, words[0], count - 1, words + 1, NULL, reply, &error);
    if (status == MUSTER_OK)
        return status;
    actor->refused++;
    if ((allowed >> status & 1) == 0) {
        fprintf(stderr, "muster_%s", words[0]);
        for (size_t i = 1; i < count; i++)
            fprintf(stderr, " %s", words[i]);
        fprintf(stderr, ": %s\n", error);
        exit(1);
    }
    return status;
}

#define CALL(actor, allowed, ...)                                                                  \
    call((actor), (allowed), NULL, (const char *const[]){__VA_ARGS__, NULL})

static struct actor actor_open(const char *socket, const char *number) {
    struct actor actor = {.world = mt_world_create(), .number = (unsigned)atoi(number)};
    actor.redis = mt_redis_open(actor.world, socket, NULL);
    actor.random = actor.number * 7919ULL + 17;
    snprintf(actor.instance, sizeof actor.instance, "node-%u", actor.number);
    return actor;
}

static void actor_close(struct actor *actor) {
    printf("%u calls, %u refused\n", actor->calls, actor->refused);
    mt_redis_close(&actor->redis);
    mt_world_destroy(&actor->world);
}

/* ---- a client ---- */

static void start_anew(struct actor *actor) {
    snprintf(actor->name, sizeof actor->name, "inc-%u-%u", actor->number, ++actor->incarnation);
    CALL(actor, ALLOWED(MUSTER_UNAVAILABLE) | ALLOWED(MUSTER_STALE_INCARNATION), "start",
         actor->instance, actor->name);
}

/* What may come of any call in this chaos. */
static const uint64_t races =
    ALLOWED(MUSTER_UNKNOWN_INSTANCE) | ALLOWED(MUSTER_STALE_INCARNATION) |
    ALLOWED(MUSTER_UNKNOWN_CONNECTION) | ALLOWED(MUSTER_CONNECTION_TAKEN) |
    ALLOWED(MUSTER_NOT_MEMBER) | ALLOWED(MUSTER_NOT_ELIGIBLE) | ALLOWED(MUSTER_SESSION_FULL) |
    ALLOWED(MUSTER_UNAVAILABLE) | ALLOWED(MUSTER_STALE_TERM) | ALLOWED(MUSTER_DRAINING) |
    ALLOWED(MUSTER_UNKNOWN_SESSION) | ALLOWED(MUSTER_BAD_TOKEN);

/* Another connection takes over what this client's connection was, or what another client's was. */
static enum muster_status resume(struct actor *actor, const char *anybody) {
    char owner[64];
    char fresh[40];
    unsigned number = (unsigned)below(actor, CLIENTS);
    const char *name = mt_text(actor->redis, "HGET " MT_NS "instance:node-%u incarnation", number);
    if (name == NULL)
        return MUSTER_OK;
    snprintf(owner, sizeof owner, "node-%u:%.40s", number, name);
    snprintf(fresh, sizeof fresh, "c%u-%zu", actor->number, below(actor, OWN));
    return CALL(actor, races, "resume", fresh, actor->instance, actor->name, anybody, owner,
                "secret", "{\"resume\":\"secret\"}", "{\"back\":true}");
}

/* Going away, coming back, and what is rare. */
static enum muster_status rare_call(struct actor *actor, const char *session,
                                    const char *connection, const char *anybody) {
    const char *instance = actor->instance;
    const char *name = actor->name;
    switch (below(actor, 12)) {
    case 0:
    case 1:
    case 2:
        return CALL(actor, races, "disconnect", connection, instance, name,
                    below(actor, 2) == 0 ? "1" : "");
    case 3:
    case 4:
        return CALL(actor, races, "touch", instance, name, connection, anybody);
    case 5:
    case 6:
    case 7:
    case 8:
        return resume(actor, anybody);
    case 9:
        return CALL(actor, races, "enter", session, connection, instance, name,
                    "{\"exclusive\":true,\"resume\":\"secret\"}");
    case 10:
        return CALL(actor, races, "drain", instance, name, below(actor, 2) == 0 ? "on" : "off");
    default:
        /* Un-keeping ends an empty session without an event: not while events are followed. */
        if (strcmp(session, "room-0") == 0)
            return CALL(actor, races, "configure", session, "{\"keep\":true}");
        return CALL(actor, races, "configure", session,
                    below(actor, 2) == 0 ? "{\"limit\":20}" : "{\"limit\":null}");
    }
}

static enum muster_status client_call(struct actor *actor, const char *session,
                                      const char *connection, const char *anybody) {
    const char *instance = actor->instance;
    const char *name = actor->name;
    static const char *const options[] = {"", "", "{\"limit\":12,\"priority\":3}",
                                          "{\"resume\":\"secret\"}", "{\"ttl\":5}"};
    size_t choice = below(actor, 120);
    if (choice >= 100)
        return rare_call(actor, session, connection, anybody);
    if (choice < 35)
        return CALL(actor, races, "enter", session, connection, instance, name,
                    options[below(actor, 5)]);
    if (choice < 45)
        return CALL(actor, races, "join", session, connection, instance, name,
                    below(actor, 5) == 0 ? "{\"lead\":false}" : "");
    if (choice < 60)
        return CALL(actor, races, "leave", session, connection, instance, name);
    if (choice < 68)
        return CALL(actor, races, "unregister", connection, instance, name);
    if (choice < 76)
        return CALL(actor, races, "kick", session, anybody, "enough");
    if (choice < 84)
        return CALL(actor, races, "promote", session, anybody);
    if (choice < 90)
        return CALL(actor, races, "update", connection, instance, name,
                    below(actor, 2) == 0 ? "{\"n\":1}" : "{\"n\":2}");
    if (choice < 99)
        return CALL(actor, races, "heartbeat", instance, name);
    return CALL(actor, races, "stop", instance, name);
}

static void client_run(const char *socket, const char *number) {
    struct actor actor = actor_open(socket, number);
    start_anew(&actor);
    for (unsigned i = 0; i < CALLS; i++) {
        char session[32];
        char connection[40];
        char anybody[48];
        size_t index = below(&actor, OWN + SHARED);
        snprintf(session, sizeof session, "room-%zu", below(&actor, SESSIONS));
        /* Some names belong to nobody: whoever comes first has them. */
        if (index < OWN)
            snprintf(connection, sizeof connection, "c%u-%zu", actor.number, index);
        else
            snprintf(connection, sizeof connection, "shared-%zu", index);
        snprintf(anybody, sizeof anybody, "c%zu-%zu", below(&actor, CLIENTS), below(&actor, OWN));
        enum muster_status status = client_call(&actor, session, connection, anybody);
        if (status == MUSTER_UNKNOWN_INSTANCE || status == MUSTER_STALE_INCARNATION)
            start_anew(&actor);
        if (i % 100 == 99)
            mt_redis_forget(actor.redis);
    }
    actor_close(&actor);
}

/* ---- a coordinator ---- */

static const uint64_t lead_races =
    ALLOWED(MUSTER_STALE_EPOCH) | ALLOWED(MUSTER_ALIVE) | ALLOWED(MUSTER_UNKNOWN_INSTANCE) |
    ALLOWED(MUSTER_STALE_INCARNATION) | ALLOWED(MUSTER_UNAVAILABLE) | ALLOWED(MUSTER_BAD_REQUEST);

static void rotate(struct actor *actor, const char *epoch) {
    char name[40];
    snprintf(name, sizeof name, "gen-%u-%u", actor->number, ++actor->incarnation);
    CALL(actor, lead_races, "rotate", epoch, name, "0", "run-1", MT_SETTINGS);
}

/* Gets the lease, by force if need be, and sees that the data is confirmed. NULL: not this time. */
static const char *take_lease(struct actor *actor, const char *nonce) {
    const char *const words[] = {"acquire", actor->instance, nonce, "60000", "0", "", NULL};
    json_t *reply = NULL;
    call(actor, 0, &reply, words);
    if (!mt_bool(reply, "acquired")) {
        if (below(actor, 4) != 0)
            return NULL;
        const char *const force[] = {"acquire", actor->instance,         nonce, "60000", "0",
                                     "",        mt_str(reply, "holder"), NULL};
        call(actor, 0, &reply, force);
        if (!mt_bool(reply, "acquired"))
            return NULL;
    }
    const char *epoch = mt_number(actor->redis, mt_int(reply, "epoch"));
    if (!mt_bool(reply, "confirmed"))
        rotate(actor, epoch);
    return epoch;
}

static void reap_some(struct actor *actor, const char *epoch) {
    redisReply *ghosts = mt_command(actor->redis, "ZRANGE " MT_NS "ghosts 0 -1");
    if (ghosts->elements == 0)
        return;
    const char *ghost = ghosts->element[below(actor, ghosts->elements)]->str;
    if (below(actor, 2) == 0)
        CALL(actor, lead_races, "elect", epoch, ghost, "1");
    CALL(actor, lead_races, "reap", epoch, ghost, "0", "2");
}

static void lead_once(struct actor *actor, const char *epoch) {
    char instance[32];
    char key[80];
    size_t choice = below(actor, 100);
    snprintf(instance, sizeof instance, "node-%zu", below(actor, CLIENTS));
    snprintf(key, sizeof key, MT_NS "instance:%s", instance);
    const char *name = mt_text(actor->redis, "HGET %s incarnation", key);
    const char *score = mt_text(actor->redis, "ZSCORE " MT_NS "instances %s", instance);
    if (name == NULL || score == NULL)
        choice = 50 + choice / 2;
    if (choice < 15)
        CALL(actor, lead_races, "suspect", epoch, instance, name, score);
    else if (choice < 20)
        CALL(actor, lead_races, "bury", epoch, instance, name, score, "instance-dead");
    else if (choice < 30)
        CALL(actor, lead_races, "beats", epoch, instance, name);
    else if (choice < 50)
        CALL(actor, lead_races, "elect", epoch, instance, "1");
    else if (choice < 85)
        reap_some(actor, epoch);
    else if (choice < 92)
        CALL(actor, lead_races, "expire", epoch, "2");
    else
        CALL(actor, lead_races, "sweep", epoch, "0", "2");
}

static void lead_run(const char *socket, const char *number) {
    struct actor actor = actor_open(socket, number);
    unsigned nonce_number = 0;
    char nonce[40];
    while (mt_text(actor.redis, "GET stop") == NULL) {
        snprintf(nonce, sizeof nonce, "nonce-%u-%u", actor.number, ++nonce_number);
        const char *epoch = take_lease(&actor, nonce);
        for (int i = 0; epoch != NULL && i < 20; i++)
            lead_once(&actor, epoch);
        if (epoch != NULL && below(&actor, 25) == 0)
            rotate(&actor, epoch);
        /* What a restart does to the library: nothing is confirmed any more. */
        if (below(&actor, 40) == 0)
            mt_library_load(actor.redis);
        mt_redis_forget(actor.redis);
    }
    actor_close(&actor);
}

/* ---- the test ---- */

static struct mt_process *actor_start(struct mt_fixture *f, const char *kind, unsigned number) {
    static char self[200];
    char name[32];
    char text[16];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    assert_true(length > 0);
    self[length] = '\0';
    snprintf(name, sizeof name, "%s-%u", kind + 2, number);
    snprintf(text, sizeof text, "%u", number);
    const char *argv[] = {self, kind, text, mt_server_socket(f->server), NULL};
    return mt_process_start(f->world, name, argv);
}

static bool all_ended(struct mt_process *const *processes, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (mt_process_running(processes[i]))
            return false;
    return true;
}

/* Epochs of coordinators grow, whoever takes the lease from whom. */
static void check_epochs(struct mt_fixture *f) {
    long long last = 0;
    for (size_t i = 0; mt_events_at(f->events, i) != NULL; i++) {
        const json_t *event = mt_events_at(f->events, i);
        const char *name = json_string_value(json_object_get(event, "event"));
        if (name == NULL || strcmp(name, "coordinator.elected") != 0)
            continue;
        assert_true(mt_int(event, "epoch") > last);
        last = mt_int(event, "epoch");
    }
    assert_true(last > 0);
}

/* The lease for the test itself, whoever holds it. */
static void take_over(struct mt_fixture *f) {
    const char *holder = mt_text(f->redis, "GET " MT_NS "coordinator");
    json_t *reply = mt_ok(f->redis, "acquire", "hand", "hand-2", "600000", "0", "",
                          holder == NULL ? "" : holder);
    assert_true(mt_bool(reply, "acquired"));
    f->epoch = mt_number(f->redis, mt_int(reply, "epoch"));
}

static void reap_all(struct mt_fixture *f) {
    redisReply *ghosts = mt_command(f->redis, "ZRANGE " MT_NS "ghosts 0 -1");
    for (size_t i = 0; i < ghosts->elements; i++)
        mt_reap(f, ghosts->element[i]->str);
}

static void bury_all(struct mt_fixture *f) {
    redisReply *instances = mt_command(f->redis, "ZRANGE " MT_NS "instances 0 -1");
    for (size_t i = 0; i < instances->elements; i++) {
        const char *instance = instances->element[i]->str;
        mt_bury(f, instance, mt_text(f->redis, "HGET " MT_NS "instance:%s incarnation", instance));
    }
}

/* Of the dead nothing is left but that they were there. */
static void check_empty(struct mt_fixture *f) {
    redisReply *keys = mt_command(f->redis, "KEYS *");
    for (size_t i = 0; i < keys->elements; i++) {
        const char *key = keys->element[i]->str;
        const char *const stays[] = {MT_NS "clock",  MT_NS "epoch",  MT_NS "coordinator",
                                     MT_NS "config", MT_NS "buried", MT_NS "journal",
                                     "stop"};
        bool known = false;
        for (size_t j = 0; j < sizeof stays / sizeof *stays; j++)
            known = known || strcmp(key, stays[j]) == 0;
        if (!known)
            mt_fail(f->world, "%s is left", key);
    }
}

static void test_hammer(void **state) {
    struct mt_fixture *f = *state;
    struct mt_process *clients[CLIENTS];
    struct mt_process *leads[2];
    struct mt_replay *replay = mt_replay_create(f->world);
    size_t next = 0;
    for (unsigned i = 0; i < CLIENTS; i++)
        clients[i] = actor_start(f, "--client", i);
    for (unsigned i = 0; i < 2; i++)
        leads[i] = actor_start(f, "--lead", 90 + i);
    struct mt_wait wait = mt_wait_begin(f->world, "the clients' end", __FILE__, __LINE__);
    while (!all_ended(clients, CLIENTS)) {
        mt_events_sync(f->events);
        mt_replay_follow(replay, f->events, &next);
        mt_wait_step(&wait);
    }
    mt_command(f->redis, "SET stop 1");
    for (size_t i = 0; i < CLIENTS; i++)
        assert_int_equal(mt_process_wait(clients[i]), 0);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(mt_process_wait(leads[i]), 0);

    mt_events_sync(f->events);
    mt_replay_follow(replay, f->events, &next);
    mt_replay_compare(replay, f->redis);
    check_epochs(f);
    printf("%zu events\n", next);
    assert_true(next > CALLS);

    take_over(f);
    mt_ok(f->redis, "rotate", f->epoch, "gen-last", "0", "run-1", MT_SETTINGS);
    bury_all(f);
    reap_all(f);
    for (unsigned i = 0; i < SESSIONS; i++)
        mt_ok(f->redis, "configure", mt_text(f->redis, "ECHO room-%u", i), "{\"keep\":false}");
    mt_events_sync(f->events);
    mt_replay_follow(replay, f->events, &next);
    check_empty(f);
    mt_replay_destroy(&replay);
}

/* A hundred connections enter at once; exactly as many as there is room for get in. */
static void test_limit(void **state) {
    struct mt_fixture *f = *state;
    struct mt_redis *crowd[CROWD];
    size_t inside = 0;
    mt_start(f, "node-1", "inc-a");
    for (size_t i = 0; i < CROWD; i++)
        crowd[i] = mt_redis_again(f->redis);
    for (size_t i = 0; i < CROWD; i++) {
        char connection[16];
        int done = 0;
        snprintf(connection, sizeof connection, "c%zu", i);
        const char *const words[] = {"enter", "room",           connection, "node-1",
                                     "inc-a", "{\"limit\":10}", NULL};
        mt_append(crowd[i], words);
        while (done == 0)
            assert_int_equal(redisBufferWrite(mt_redis_context(crowd[i]), &done), REDIS_OK);
    }
    for (size_t i = 0; i < CROWD; i++) {
        redisReply *reply = NULL;
        assert_int_equal(redisGetReply(mt_redis_context(crowd[i]), (void **)&reply), REDIS_OK);
        if (reply->type == REDIS_REPLY_STRING)
            inside++;
        else
            assert_int_equal(strncmp(reply->str, "SESSION_FULL ", 13), 0);
        freeReplyObject(reply);
        mt_redis_close(&crowd[i]);
    }
    assert_int_equal(inside, ROOM);
    assert_int_equal(mt_integer(f->redis, "HLEN " MT_NS "instance:node-1:connections"), ROOM);
}

int main(int argc, char **argv) {
    if (argc == 4 && strcmp(argv[1], "--client") == 0) {
        client_run(argv[3], argv[2]);
        return 0;
    }
    if (argc == 4 && strcmp(argv[1], "--lead") == 0) {
        lead_run(argv[3], argv[2]);
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_hammer, mt_fixture_fresh),
        cmocka_unit_test_setup(test_limit, mt_fixture_fresh),
    };
    return cmocka_run_group_tests(tests, mt_fixture_start, mt_fixture_end);
}
