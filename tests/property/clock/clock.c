/* clock.c - a clock that a test turns, for a program that it starts: LD_PRELOAD of redis-server.
 *
 * The file named by MUSTER_TEST_CLOCK holds one 64-bit integer, µs since 1970. It is mapped, so a
 * reading is one atomic load: no torn value, no system call, no allocation (libfaketime reads its
 * file inside clock_gettime(), which jemalloc calls while it allocates: Redis does not survive it).
 * MUSTER_TEST_CLOCK_OFFSET names one instead that is added to the real time, so that time runs on.
 * Only the wall clock is replaced. Monotonic clocks run on, so timers and timeouts work.
 */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const _Atomic int64_t *shared_clock;
static bool is_offset;

__attribute__((constructor)) static void map_clock(void) {
    const char *path = getenv("MUSTER_TEST_CLOCK");
    if (path == NULL) {
        path = getenv("MUSTER_TEST_CLOCK_OFFSET");
        is_offset = true;
    }
    int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    void *page = mmap(NULL, sizeof *shared_clock, PROT_READ, MAP_SHARED, fd, 0);
    if (page != MAP_FAILED)
        shared_clock = page;
    close(fd);
}

__attribute__((visibility("default"))) int clock_gettime(clockid_t id, struct timespec *now) {
    bool wall = id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE;
    if (!wall || shared_clock == NULL)
        return (int)syscall(SYS_clock_gettime, id, now);
    int64_t us = atomic_load(shared_clock);
    if (is_offset) {
        int result = (int)syscall(SYS_clock_gettime, id, now);
        us += (int64_t)now->tv_sec * 1000000 + now->tv_nsec / 1000;
        if (result != 0)
            return result;
    }
    now->tv_sec = us / 1000000;
    now->tv_nsec = us % 1000000 * 1000;
    return 0;
}

__attribute__((visibility("default"))) int gettimeofday(struct timeval *restrict now,
                                                        void *restrict zone) {
    struct timespec precise;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &precise) != 0)
        return -1;
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return 0;
}

__attribute__((visibility("default"))) time_t time(time_t *seconds) {
    struct timespec now;
    if (clock_gettime(CLOCK_REALTIME, &now) != 0)
        return (time_t)-1;
    if (seconds != NULL)
        *seconds = now.tv_sec;
    return now.tv_sec;
}
