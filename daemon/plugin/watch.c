#include "plugin/watch.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"

#define TICKS 20 /* wakings until the end */
#define MESSAGE "it holds the loop and does not come back; the daemon ends"

struct mu_watch {
    struct mu_watch_options options;
    uv_timer_t beat;
    pthread_t thread;
    bool running; /* the thread */
    /* Written by the loop's thread, read by the other one. */
    _Atomic(const char *) plugin;
    _Atomic(const char *) hook;
    _Atomic uint64_t turn;  /* changes at each enter and leave */
    _Atomic uint64_t beats; /* 0: the loop does not run yet */
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    bool end; /* under the mutex */
    void (*closed)(void *context);
    void *context;
};

/* ---- the end ---- */

/* No allocation and no stdio: the blocked thread may hold their locks. */
static _Noreturn void bark(const struct mu_watch *self, const char *plugin, const char *hook) {
    char now[32] = "";
    char line[1024];
    struct tm utc;
    uint64_t ms = mu_clock_realtime_ms();
    time_t seconds = (time_t)(ms / 1000);
    if (gmtime_r(&seconds, &utc) != NULL) {
        strftime(now, sizeof now, "%Y-%m-%dT%H:%M:%S", &utc);
    }
    unsigned long long limit = self->options.limit_ms;
    int length;
    if (self->options.format == MU_LOG_JSON) {
        length =
            snprintf(line, sizeof line,
                     "{\"time\":\"%s.%03uZ\",\"level\":\"error\",\"event\":\"plugin.blocked\","
                     "\"plugin\":\"%s\",\"hook\":\"%s\",\"ms\":%llu,\"message\":\"" MESSAGE "\"}\n",
                     now, (unsigned)(ms % 1000), plugin, hook, limit);
    } else {
        length = snprintf(line, sizeof line,
                          "time=%s.%03uZ level=error event=plugin.blocked plugin=\"%s\" "
                          "hook=\"%s\" ms=%llu message=\"" MESSAGE "\"\n",
                          now, (unsigned)(ms % 1000), plugin, hook, limit);
    }
    if (length > 0) {
        size_t size = (size_t)length < sizeof line ? (size_t)length : sizeof line - 1;
        ssize_t written = write(self->options.fd, line, size);
        (void)written; /* there is nobody left to tell */
    }
    _exit(MU_WATCH_EXIT);
}

/* ---- the thread ---- */

struct sight {
    uint64_t turn, beats;
    unsigned same_turn, same_beats;
};

static void look(const struct mu_watch *self, struct sight *sight) {
    uint64_t turn = atomic_load(&self->turn);
    uint64_t beats = atomic_load(&self->beats);
    const char *hook = atomic_load(&self->hook);
    const char *plugin = atomic_load(&self->plugin);
    bool same = hook != NULL && plugin != NULL && turn == sight->turn;
    sight->same_turn = same ? sight->same_turn + 1 : 0;
    sight->same_beats = beats > 0 && beats == sight->beats ? sight->same_beats + 1 : 0;
    sight->turn = turn;
    sight->beats = beats;
    if (sight->same_turn >= TICKS && atomic_load(&self->turn) == turn) {
        bark(self, plugin, hook);
    }
    /* A little later, so that a marked call is named when it is one. */
    if (sight->same_beats >= TICKS + TICKS / 2) {
        bark(self, plugin != NULL ? plugin : "", hook != NULL ? hook : "loop");
    }
}

static void *watch(void *argument) {
    struct mu_watch *self = argument;
    struct sight sight = {0};
    uint64_t tick_ms = self->options.limit_ms / TICKS;
    tick_ms = tick_ms > 0 ? tick_ms : 1;
    pthread_mutex_lock(&self->mutex);
    while (!self->end) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += (time_t)(tick_ms / 1000);
        until.tv_nsec += (long)(tick_ms % 1000) * 1000000;
        if (until.tv_nsec >= 1000000000) {
            until.tv_nsec -= 1000000000;
            until.tv_sec++;
        }
        pthread_cond_timedwait(&self->wake, &self->mutex, &until);
        look(self, &sight);
    }
    pthread_mutex_unlock(&self->mutex);
    return NULL;
}

static void on_beat(uv_timer_t *timer) {
    struct mu_watch *self = timer->data;
    atomic_fetch_add(&self->beats, 1);
}

/* ---- what the owner calls ---- */

static bool start(struct mu_watch *self) {
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&self->mutex, NULL);
    pthread_cond_init(&self->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    self->running = pthread_create(&self->thread, NULL, watch, self) == 0;
    return self->running;
}

struct mu_watch *mu_watch_create(const struct mu_watch_options *options) {
    struct mu_watch *self = mu_calloc(1, sizeof *self);
    self->options = *options;
    if (options->limit_ms > 0 && !start(self)) {
        free(self);
        return NULL;
    }
    uv_timer_init(options->loop, &self->beat);
    self->beat.data = self;
    if (self->running) {
        uint64_t interval = options->limit_ms / TICKS > 0 ? options->limit_ms / TICKS : 1;
        uv_timer_start(&self->beat, on_beat, 0, interval);
        uv_unref((uv_handle_t *)&self->beat);
    }
    return self;
}

void mu_watch_enter(struct mu_watch *self, struct mu_watched *call, const char *plugin,
                    const char *hook) {
    call->plugin = plugin;
    call->hook = hook;
    call->outer_plugin = atomic_load(&self->plugin);
    call->outer_hook = atomic_load(&self->hook);
    atomic_fetch_add(&self->turn, 1);
    atomic_store(&self->plugin, plugin);
    atomic_store(&self->hook, hook);
    call->began_us = mu_clock_monotonic_us();
}

uint64_t mu_watch_leave(struct mu_watch *self, const struct mu_watched *call) {
    uint64_t took = mu_clock_monotonic_us() - call->began_us;
    atomic_fetch_add(&self->turn, 1);
    atomic_store(&self->hook, call->outer_hook);
    atomic_store(&self->plugin, call->outer_plugin);
    return took;
}

static void on_closed(uv_handle_t *handle) {
    struct mu_watch *self = handle->data;
    void (*closed)(void *context) = self->closed;
    void *context = self->context;
    free(self);
    closed(context);
}

void mu_watch_close(struct mu_watch **watch, void (*closed)(void *context), void *context) {
    struct mu_watch *self = *watch;
    *watch = NULL;
    self->closed = closed;
    self->context = context;
    if (self->running) {
        pthread_mutex_lock(&self->mutex);
        self->end = true;
        pthread_cond_signal(&self->wake);
        pthread_mutex_unlock(&self->mutex);
        pthread_join(self->thread, NULL);
        pthread_cond_destroy(&self->wake);
        pthread_mutex_destroy(&self->mutex);
    }
    uv_close((uv_handle_t *)&self->beat, on_closed);
}
