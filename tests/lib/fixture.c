#include "lib/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/test.h"

int mt_fixture_start(void **state) {
    struct mt_fixture *f = calloc(1, sizeof *f);
    if (f == NULL)
        return -1;
    *state = f;
    f->world = mt_world_create();
    f->server = mt_server_start(f->world, "redis", MT_SERVER_VOLATILE, NULL);
    f->redis = mt_server_connect(f->server);
    f->events = mt_events_open(f->redis, true);
    return 0;
}

int mt_fixture_end(void **state) {
    struct mt_fixture *f = *state;
    mt_events_close(&f->events);
    mt_redis_close(&f->redis);
    mt_server_free(&f->server);
    mt_world_destroy(&f->world);
    free(f);
    return 0;
}

int mt_fixture_fresh(void **state) {
    struct mt_fixture *f = *state;
    mt_redis_forget(f->redis);
    mt_command(f->redis, "CONFIG SET maxmemory 0");
    mt_command(f->redis, "FLUSHALL");
    mt_library_load(f->redis);
    f->epoch = mt_lead(f->redis, "gen-1", NULL);
    mt_events_skip(f->events);
    return 0;
}

void mt_start(struct mt_fixture *f, const char *instance, const char *incarnation) {
    mt_ok(f->redis, "start", instance, incarnation);
}

json_t *mt_enter(struct mt_fixture *f, const char *session, const char *connection,
                 const char *instance, const char *incarnation, const char *options) {
    return mt_ok(f->redis, "enter", session, connection, instance, incarnation,
                 options == NULL ? "" : options);
}

const char *mt_leader(struct mt_fixture *f, const char *session) {
    const char *leader = mt_text(f->redis, "HGET " MT_NS "session:%s #leader", session);
    return leader == NULL || leader[0] == '\0' ? NULL : leader;
}

static long long stored_number(struct mt_fixture *f, const char *session, const char *field) {
    const char *text = mt_text(f->redis, "HGET " MT_NS "session:%s %s", session, field);
    if (text == NULL)
        mt_fail(f->world, "session %s has no %s", session, field);
    return strtoll(text, NULL, 10);
}

long long mt_term(struct mt_fixture *f, const char *session) {
    return stored_number(f, session, "#term");
}

long long mt_seq(struct mt_fixture *f, const char *session) {
    return stored_number(f, session, "#seq");
}

const char *mt_score(struct mt_fixture *f, const char *instance) {
    const char *score = mt_text(f->redis, "ZSCORE " MT_NS "instances %s", instance);
    if (score == NULL)
        mt_fail(f->world, "instance %s has no score", instance);
    return score;
}

void mt_bury(struct mt_fixture *f, const char *instance, const char *incarnation) {
    mt_ok(f->redis, "bury", f->epoch, instance, incarnation, mt_score(f, instance),
          "instance-dead");
}

void mt_suspect(struct mt_fixture *f, const char *instance, const char *incarnation) {
    mt_ok(f->redis, "suspect", f->epoch, instance, incarnation, mt_score(f, instance));
}

void mt_reap(struct mt_fixture *f, const char *ghost) {
    const char *cursor = "0";
    for (int slice = 0; slice < 10000; slice++) {
        json_t *reply = mt_ok(f->redis, "reap", f->epoch, ghost, cursor, "512");
        if (mt_bool(reply, "done"))
            return;
        if (json_object_get(reply, "early") != NULL)
            mt_command(f->redis, "ZADD " MT_NS "ghosts XX 1 %s", ghost);
        cursor = mt_str(reply, "cursor");
    }
    mt_fail(f->world, "ghost %s is never done", ghost);
}
