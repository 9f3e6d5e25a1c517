/* wait.h - waits for conditions with a deadline; never for a length of time.
 *
 * The deadline is generous (60 s, three times that under a sanitizer): it ends a test that would
 * hang, it measures nothing.
 */
#ifndef MT_WAIT_H
#define MT_WAIT_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/world.h"

/* Returns once `condition(context)` is true; at the deadline fails the test, says what was waited
 * for and prints the logs of all processes. `world` may be NULL: no logs then. */
void mt_wait_until(struct mt_world *world, bool (*condition)(void *context), void *context,
                   const char *what);

/* The same for an expression:  MT_WAIT(world, count(x) == 3, "three members");  */
struct mt_wait {
    struct mt_world *world;
    const char *what;
    const char *file;
    int line;
    uint64_t deadline; /* ms of CLOCK_MONOTONIC */
};
struct mt_wait mt_wait_begin(struct mt_world *world, const char *what, const char *file, int line);
/* One short sleep, or the failure. */
void mt_wait_step(const struct mt_wait *wait);
#define MT_WAIT(world, expression, what)                                                           \
    do {                                                                                           \
        struct mt_wait mt_wait_ = mt_wait_begin((world), (what), __FILE__, __LINE__);              \
        while (!(expression))                                                                      \
            mt_wait_step(&mt_wait_);                                                               \
    } while (0)

/* ms of CLOCK_MONOTONIC. */
uint64_t mt_now_ms(void);

/* Lets real time pass, for tests whose subject is a length of time (a pause of 5 s). */
void mt_let_pass(uint64_t ms);

/* 3 when built with a sanitizer, else 1. */
unsigned mt_slowness(void);

#endif
