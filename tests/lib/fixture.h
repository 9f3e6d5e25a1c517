/* fixture.h - for tests of the functions: one server a program, a fresh confirmed namespace a test.
 *
 *     cmocka_run_group_tests(tests, mt_fixture_start, mt_fixture_end)
 *     cmocka_unit_test_setup(test_x, mt_fixture_fresh)
 *
 * and in a test:  struct mt_fixture *f = *state;
 */
#ifndef MT_FIXTURE_H
#define MT_FIXTURE_H

#include "lib/dump.h"
#include "lib/events.h"
#include "lib/library.h"
#include "lib/redis.h"
#include "lib/server.h"

struct mt_fixture {
    struct mt_world *world;
    struct mt_server *server;
    struct mt_redis *redis;
    struct mt_events *events;
    const char *epoch; /* of the lease that the test holds */
};

int mt_fixture_start(void **state);
int mt_fixture_end(void **state);
/* Empty database, library loaded anew, lease held, generation "gen-1" confirmed, no events. */
int mt_fixture_fresh(void **state);

/* Shorthands; each must succeed. `options` and `profile` may be NULL. */
void mt_start(struct mt_fixture *f, const char *instance, const char *incarnation);
json_t *mt_enter(struct mt_fixture *f, const char *session, const char *connection,
                 const char *instance, const char *incarnation, const char *options);
/* The session's leader now; NULL when there is none. */
const char *mt_leader(struct mt_fixture *f, const char *session);
long long mt_term(struct mt_fixture *f, const char *session);
long long mt_seq(struct mt_fixture *f, const char *session);
/* The score of an instance as text, as `suspect` and `bury` want it. */
const char *mt_score(struct mt_fixture *f, const char *instance);
/* bury with the present score and reason instance-dead. */
void mt_bury(struct mt_fixture *f, const char *instance, const char *incarnation);
void mt_suspect(struct mt_fixture *f, const char *instance, const char *incarnation);
/* Reaps a ghost, slice by slice, to its end. Makes one that waits for its time due first. */
void mt_reap(struct mt_fixture *f, const char *ghost);

/* Runs `statement`, which must change nothing in Redis and publish nothing. */
#define mt_unchanged(f, statement)                                                                 \
    do {                                                                                           \
        char *mt_before_ = mt_dump((f)->redis);                                                    \
        mt_events_skip((f)->events);                                                               \
        statement;                                                                                 \
        mt_expect_no_events((f)->events);                                                          \
        char *mt_after_ = mt_dump((f)->redis);                                                     \
        mt_assert_same_dump(mt_before_, mt_after_);                                                \
        free(mt_before_);                                                                          \
        free(mt_after_);                                                                           \
    } while (0)

#endif
