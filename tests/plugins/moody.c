/* moody.c - a transport that behaves as badly as its `mood` says. Moods:
 *   good             as it should be: a timer, a hold, a work, all given back
 *   init_fails       start_fails
 *   blocks           never comes back from a timer; blocks_init, blocks_start: from these
 *   blocks_told      blocks once the file exists that the environment names in MOODY_BLOCKS
 *   blocks_loop      never comes back from a callback of a handle of its own
 *   slow             holds the loop for a while, once
 *   foreign          calls the host from a thread of its own
 *   never_stopped    does not call stopped()
 *   leaks_timer      calls stopped() with a timer running
 *   leaks_hold       calls stopped() with a socket held that is still open
 *   leaks_caller     calls stopped() with an authenticated caller
 *   leaks_work       calls stopped() while a thread of the pool still works for it
 *   stopped_twice    and releases what it does not hold, submits as no transport may
 *   overworks        asks for more work than the queue takes
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "muster/plugin.h"

struct moody {
    struct muster_plugin *plugin;
    const struct muster_host *host;
    const char *mood;
    struct muster_timer *timer;
    uv_timer_t own;
    pthread_t thread;
    int pipe[2]; /* what a leaked work waits for */
    unsigned works;
    bool stopping;
};

static bool is(const struct moody *self, const char *mood) {
    return strcmp(self->mood, mood) == 0;
}

static _Noreturn void block(void) {
    for (;;) {
        pause();
    }
}

static enum muster_status init(struct muster_plugin *plugin, const struct muster_host *host,
                               void **state, struct muster_complaint *complaint) {
    struct moody *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return MUSTER_INTERNAL;
    }
    self->plugin = plugin;
    self->host = host;
    self->mood = host->config_text(plugin, host->config_get(plugin, NULL, "mood"));
    if (is(self, "init_fails")) {
        strcpy(complaint->text, "not in the mood");
        free(self);
        return MUSTER_DENIED;
    }
    if (is(self, "blocks_init")) {
        block();
    }
    *state = self;
    return MUSTER_OK;
}

static void own_closed(uv_handle_t *handle) {
    struct moody *self = handle->data;
    self->host->release(self->plugin, "own timer");
}

static void own_fired(uv_timer_t *handle) {
    const struct moody *self = handle->data;
    if (is(self, "blocks_loop")) {
        block();
    }
}

static void open_own(struct moody *self) {
    uv_timer_init(self->host->loop(self->plugin), &self->own);
    self->own.data = self;
    self->host->hold(self->plugin, "own timer");
    uv_timer_start(&self->own, own_fired, 1, 1000000);
}

static void *call_from_here(void *argument) {
    struct moody *self = argument;
    struct muster_timer *timer = NULL;
    self->host->log(self->plugin, MUSTER_LOG_ERROR, "wrong", "must never be seen");
    self->host->timer_stop(self->plugin, &timer);
    self->host->decide(self->plugin, (struct muster_handle){1, 1},
                       &(struct muster_decision){.verdict = MUSTER_ALLOW});
    self->host->stopped(self->plugin);
    return NULL;
}

static void work(void *context) {
    struct moody *self = context;
    char byte;
    if (is(self, "leaks_work")) {
        ssize_t got = read(self->pipe[0], &byte, 1); /* nobody ever writes */
        (void)got;
    }
}

static void worked(void *context) {
    struct moody *self = context;
    self->works++;
    if (self->works == 1) {
        self->host->log(self->plugin, MUSTER_LOG_INFO, "worked", "a thread did it");
    }
}

static void fired(void *context) {
    struct moody *self = context;
    if (is(self, "blocks_told")) {
        const char *file = getenv("MOODY_BLOCKS");
        if (file != NULL && access(file, F_OK) == 0) {
            self->host->log(self->plugin, MUSTER_LOG_INFO, "blocks", "from now on");
            block();
        }
        return;
    }
    self->host->timer_stop(self->plugin, &self->timer);
    if (is(self, "blocks")) {
        block();
    }
    if (is(self, "slow")) {
        usleep(50000);
    }
    if (is(self, "foreign") && pthread_create(&self->thread, NULL, call_from_here, self) == 0) {
        pthread_join(self->thread, NULL);
    }
    if (is(self, "overworks")) {
        enum muster_status status = MUSTER_OK;
        for (int i = 0; i < 1000 && status == MUSTER_OK; i++) {
            status = self->host->work(self->plugin, work, worked, self);
        }
        self->host->log(self->plugin, MUSTER_LOG_INFO, "refused", "%s",
                        status == MUSTER_OVERLOADED ? "OVERLOADED" : "something else");
    }
    self->host->log(self->plugin, MUSTER_LOG_INFO, "fired", "%s", self->mood);
}

static enum muster_status start(void *state, struct muster_complaint *complaint) {
    struct moody *self = state;
    struct muster_credentials nobody = {.transport = "moody"};
    if (is(self, "start_fails")) {
        strcpy(complaint->text, "not today");
        return MUSTER_UNAVAILABLE;
    }
    if (is(self, "blocks_start")) {
        block();
    }
    self->timer =
        self->host->timer_start(self->plugin, 1, is(self, "blocks_told") ? 5 : 0, fired, self);
    if (is(self, "good") || is(self, "blocks_loop") || is(self, "leaks_hold")) {
        open_own(self);
    }
    if (is(self, "good") || is(self, "leaks_work")) {
        if (pipe(self->pipe) != 0 ||
            self->host->work(self->plugin, work, worked, self) != MUSTER_OK) {
            return MUSTER_INTERNAL;
        }
    }
    if (is(self, "leaks_caller")) {
        return self->host->authenticate(self->plugin, &nobody, self, NULL);
    }
    if (is(self, "stopped_twice")) {
        self->host->release(self->plugin, "nothing");
    }
    return MUSTER_OK;
}

static void stop(void *state) {
    struct moody *self = state;
    if (is(self, "never_stopped")) {
        return;
    }
    if (is(self, "leaks_timer")) {
        self->timer = self->host->timer_start(self->plugin, 1000000, 0, fired, self);
    } else {
        self->host->timer_stop(self->plugin, &self->timer);
    }
    if (is(self, "good")) {
        uv_close((uv_handle_t *)&self->own, own_closed);
    }
    self->host->stopped(self->plugin);
    if (is(self, "stopped_twice")) {
        self->host->stopped(self->plugin);
    }
}

static void close_(void *state) {
    struct moody *self = state;
    self->host->log(self->plugin, MUSTER_LOG_INFO, "closed", "%s", self->mood);
    free(self);
}

static void reply(void *state, void *context, const struct muster_result *result) {
    (void)state;
    (void)context;
    (void)result;
}

static void authenticated(void *state, void *context, enum muster_status status,
                          struct muster_caller *caller, const char *message) {
    struct moody *self = state;
    (void)context;
    (void)caller;
    (void)message;
    self->host->log(self->plugin, MUSTER_LOG_INFO, "authenticated", "%d", (int)status);
}

static const struct muster_config_key keys[] = {
    {"mood", MUSTER_CONFIG_TEXT, false, "good", 1, 64, "How it behaves."},
    {"patience", MUSTER_CONFIG_DURATION, false, "1s", 1, 60000, "Read and not used."},
    {"words", MUSTER_CONFIG_LIST, false, "[a, b]", 0, 3, "Read and not used."},
    {"key", MUSTER_CONFIG_SECRET, false, NULL, 4, 100, "Read and not used."},
};

static const struct muster_plugin_hooks hooks = {
    .init = init, .start = start, .stop = stop, .close = close_};
static const struct muster_transport_hooks transport = {.reply = reply,
                                                        .authenticated = authenticated};

MUSTER_PLUGIN(MUSTER_TRANSPORT, "moody", "1", keys, sizeof keys / sizeof keys[0], &hooks,
              &transport, NULL, NULL, NULL);
