#include "lib/wait.h"

#include <errno.h>
#include <time.h>

#include "lib/test.h"

enum { DEADLINE_MS = 60000, STEP_MS = 5 };

unsigned mt_slowness(void) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return 3;
#else
    return 1;
#endif
}

uint64_t mt_now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void mt_let_pass(uint64_t ms) {
    struct timespec left = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        ;
}

struct mt_wait mt_wait_begin(struct mt_world *world, const char *what, const char *file, int line) {
    return (struct mt_wait){world, what, file, line, mt_now_ms() + DEADLINE_MS * mt_slowness()};
}

void mt_wait_step(const struct mt_wait *wait) {
    if (mt_now_ms() > wait->deadline)
        mt_fail_at(wait->world, wait->file, wait->line, "waited in vain for %s", wait->what);
    mt_let_pass(STEP_MS);
}

void mt_wait_until(struct mt_world *world, bool (*condition)(void *context), void *context,
                   const char *what) {
    struct mt_wait wait = mt_wait_begin(world, what, __FILE__, __LINE__);
    while (!condition(context))
        mt_wait_step(&wait);
}
