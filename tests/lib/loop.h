/* loop.h - a libuv loop in a test, and peers on it that only pretend to be Redis. */
#ifndef MT_LOOP_H
#define MT_LOOP_H

#include <uv.h>

#include "lib/wait.h"
#include "lib/world.h"

struct mt_loop;

struct mt_loop *mt_loop_create(struct mt_world *world);
/* Runs until every handle is closed, which the test must have seen to; a loop that does not come
 * to its end fails the test. Clears the pointer. */
void mt_loop_destroy(struct mt_loop **loop);
uv_loop_t *mt_loop_uv(struct mt_loop *loop);

/* One turn, of 10 ms at most; fails the test once the deadline of `wait` has passed. */
void mt_loop_turn(struct mt_loop *loop, const struct mt_wait *wait);
/* Turns until the expression is true:  MT_SPIN(loop, seen == 3, "three replies");  */
#define MT_SPIN(loop, expression, what)                                                            \
    do {                                                                                           \
        struct mt_wait mt_wait_ = mt_wait_begin(NULL, (what), __FILE__, __LINE__);                 \
        while (!(expression))                                                                      \
            mt_loop_turn((loop), &mt_wait_);                                                       \
    } while (0)

/* A TCP peer on 127.0.0.1 that says `greeting` (may be NULL) to whoever connects and `answer`
 * (may be NULL) whenever something comes in; it does not close by itself unless asked. */
struct mt_peer_script {
    const char *greeting;
    const char *first;  /* to the first bytes that come in */
    const char *answer; /* to all later ones; NULL: silence */
    bool flood;         /* after `first`, sends without end */
    bool hang_up;       /* after `first`, ends the stream */
};
struct mt_peer;
struct mt_peer *mt_peer_create(struct mt_loop *loop, const struct mt_peer_script *script);
int mt_peer_port(const struct mt_peer *peer);
/* Closes all its handles; they end while the loop turns. Clears the pointer. */
void mt_peer_close(struct mt_peer **peer);

/* A TCP port of 127.0.0.1 on which nobody listens at this moment. */
int mt_free_port(void);

#endif
