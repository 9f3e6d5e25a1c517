#include "ping.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "pipe.h"
#include "process.h"

/* Rare enough to leave the cores to what is measured, frequent enough to meet every stall. */
#define PAUSE_S 0.0002
enum { MOST_SAMPLES = 1 << 20 };

struct sample {
    double sent;
    double answered;
};

struct mb_ping {
    pthread_t thread;
    struct mb_pipe *pipe; /* the thread's alone while it runs */
    atomic_bool stop;
    struct sample *samples;
    size_t count;
};

static void *run(void *context) {
    struct mb_ping *ping = context;
    mb_pin(MB_CORE_CLIENT);
    /* It is the server that may be late, not we, who share a core with all instances. Only root
     * may. */
    (void)!pthread_setschedparam(pthread_self(), SCHED_FIFO,
                                 &(struct sched_param){.sched_priority = 1});
    while (!atomic_load(&ping->stop) && ping->count < MOST_SAMPLES) {
        struct sample *sample = &ping->samples[ping->count];
        sample->sent = mb_seconds();
        MB_DO(ping->pipe, "PING");
        sample->answered = mb_seconds();
        ping->count++;
        mb_sleep(PAUSE_S);
    }
    return NULL;
}

struct mb_ping *mb_ping_start(const char *socket) {
    struct mb_ping *ping = mu_calloc(1, sizeof *ping);
    ping->samples = mu_calloc(MOST_SAMPLES, sizeof *ping->samples);
    ping->pipe = mb_pipe_open(socket);
    if (pthread_create(&ping->thread, NULL, run, ping) != 0)
        mb_fail("cannot start a thread");
    return ping;
}

void mb_ping_stop(struct mb_ping *ping) {
    atomic_store(&ping->stop, true);
    pthread_join(ping->thread, NULL);
    if (ping->count == MOST_SAMPLES)
        mb_fail("it took so long that the room for PINGs was used up");
}

void mb_ping_destroy(struct mb_ping **pointer) {
    struct mb_ping *ping = *pointer;
    if (ping == NULL)
        return;
    *pointer = NULL;
    mb_pipe_close(&ping->pipe);
    free(ping->samples);
    free(ping);
}

double mb_ping_longest_ms(const struct mb_ping *ping, double from, double to) {
    double longest = 0;
    for (size_t i = 0; i < ping->count; i++) {
        const struct sample *sample = &ping->samples[i];
        double took = sample->answered - sample->sent;
        if (sample->answered >= from && sample->sent <= to && took > longest)
            longest = took;
    }
    return longest * 1e3;
}
