#include "presence.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backoff.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/ids.h"

#define HEARTBEAT_MS 1000 /* if START does not say */
#define STOP_MS 5000      /* how long STOP is tried */
#define CALL_EVERY 10     /* heartbeats on the channel */
#define REMEMBERED 16     /* incarnations of our own */

enum state { IDLE, STARTING, STARTED, STOPPING, ENDED };

struct mu_presence {
    struct mu_presence_options options;
    char incarnation[MU_ID_SIZE];
    char own[REMEMBERED][MU_ID_SIZE]; /* a ring: the present one and those before */
    size_t starts;
    uint64_t asking; /* the era in which it was asked who stands */
    enum state state;
    uint64_t era; /* of the incarnation */
    uint64_t epoch;
    uint64_t stop_deadline_us;
    bool unstarted; /* STOP was asked for before START was answered */

    uint64_t beats;
    struct mu_backoff backoff;
    uv_timer_t retry;
    uv_timer_t heartbeat;
    bool closing;
};

/* One call on its way. */
struct call {
    struct mu_presence *presence;
    uint64_t era;
    uint64_t suspected; /* when a heartbeat was sent */
};

struct mu_presence *mu_presence_create(const struct mu_presence_options *options) {
    struct mu_presence *self = mu_calloc(1, sizeof *self);
    self->options = *options;
    uv_timer_init(options->loop, &self->retry);
    uv_timer_init(options->loop, &self->heartbeat);
    self->retry.data = self->heartbeat.data = self;
    return self;
}

void mu_presence_close(struct mu_presence *self) {
    self->closing = true;
    self->state = ENDED;
    uv_close((uv_handle_t *)&self->retry, NULL);
    uv_close((uv_handle_t *)&self->heartbeat, NULL);
}

void mu_presence_destroy(struct mu_presence **presence) {
    free(*presence);
    *presence = NULL;
}

static struct call *new_call(struct mu_presence *self) {
    struct call *call = mu_calloc(1, sizeof *call);
    call->presence = self;
    call->era = self->era;
    call->suspected = mu_journal_suspected(self->options.journal);
    return call;
}

/* Frees the call; NULL when its answer concerns nobody any more. */
static struct mu_presence *end_call(struct call *call, enum state expected) {
    struct mu_presence *self = call->presence;
    bool concerns = !self->closing && call->era == self->era && self->state == expected;
    free(call);
    return concerns ? self : NULL;
}

/* Calls a function with instance and incarnation. */
static bool call_function(struct mu_presence *self, const char *operation, mu_answer_cb callback) {
    const char *arguments[] = {self->options.instance, self->incarnation};
    struct call *call = new_call(self);
    if (mu_speech_call(self->options.speech, operation, 2, arguments, callback, call) == MUSTER_OK)
        return true;
    free(call);
    return false;
}

/* ---- START ---- */

static void send_start(struct mu_presence *self);

static void on_retry_start(uv_timer_t *timer) {
    send_start(timer->data);
}

static void start_later(struct mu_presence *self) {
    mu_journal_count(self->options.journal, "retries", 1);
    uv_timer_start(&self->retry, on_retry_start, mu_backoff_next(&self->backoff), 0);
}

static void on_heartbeat(uv_timer_t *timer);

static void begin_heartbeats(struct mu_presence *self, const json_t *reply) {
    uint64_t every = self->options.heartbeat_ms;
    json_int_t told = json_integer_value(json_object_get(reply, "heartbeat_ms"));
    if (!every)
        every = told > 0 ? (uint64_t)told : HEARTBEAT_MS;
    self->beats = 0;
    if (self->options.heartbeat != MU_SIM_SILENT)
        uv_timer_start(&self->heartbeat, on_heartbeat, every, every);
}

/* Another interval than before, unless it was given on the command line. */
static void adjust_heartbeats(struct mu_presence *self, const json_t *reply) {
    json_int_t told = json_integer_value(json_object_get(reply, "heartbeat_ms"));
    if (self->options.heartbeat_ms == 0 && told > 0 &&
        (uint64_t)told != uv_timer_get_repeat(&self->heartbeat))
        begin_heartbeats(self, reply);
}

static void note_epoch(struct mu_presence *self, const json_t *reply) {
    self->epoch = (uint64_t)json_integer_value(json_object_get(reply, "epoch"));
}

static const char *generation_of(const json_t *reply) {
    const char *generation = json_string_value(json_object_get(reply, "generation"));
    return generation ? generation : "";
}

static bool is_own(const struct mu_presence *self, const char *incarnation) {
    for (size_t i = 0; i < REMEMBERED; i++)
        if (strcmp(self->own[i], incarnation) == 0)
            return true;
    return false;
}

static void on_retry_standing(uv_timer_t *timer) {
    struct mu_presence *self = timer->data;
    if (self->state == STARTED)
        mu_presence_stale(self);
}

/* Whoever was refused waits for this: the next heartbeat may well be answered, by another server.
 */
static void ask_later(struct mu_presence *self) {
    uv_timer_start(&self->retry, on_retry_standing, mu_backoff_next(&self->backoff), 0);
}

/* Nobody, if we were buried. One of our own, if Redis went back to older data and forgot the START
 * of the present one: that is no reason to give up either. */
static void on_standing(void *context, enum muster_status status, const char *incarnation) {
    struct mu_presence *self = end_call(context, ((struct call *)context)->presence->state);
    if (!self || (self->state != STARTING && self->state != STARTED))
        return;
    self->asking = 0;
    if (status != MUSTER_OK && self->state == STARTING)
        start_later(self);
    else if (status != MUSTER_OK)
        ask_later(self);
    else if (incarnation && !is_own(self, incarnation))
        self->options.on_taken_over(self->options.context, "another incarnation is registered");
    else if (!incarnation || self->state == STARTED || strcmp(incarnation, self->incarnation) != 0)
        self->options.on_lost(self->options.context, muster_status_code(MUSTER_STALE_INCARNATION));
    else if (self->state == STARTING)
        start_later(self);
}

void mu_presence_stale(struct mu_presence *self) {
    if (self->asking == self->era)
        return;
    struct call *call = new_call(self);
    self->asking = self->era;
    if (mu_speech_standing(self->options.speech, on_standing, call) == MUSTER_OK)
        return;
    self->asking = 0;
    free(call);
    if (self->state == STARTING)
        start_later(self);
    else if (self->state == STARTED)
        ask_later(self);
}

static void on_start(void *context, const struct mu_answer *answer) {
    struct mu_presence *self = end_call(context, STARTING);
    if (!self)
        return;
    if (answer->status == MUSTER_OK) {
        json_t *reply = json_loadb(answer->json, answer->length, 0, NULL);
        mu_backoff_reset(&self->backoff);
        self->state = STARTED;
        note_epoch(self, reply);
        begin_heartbeats(self, reply);
        self->options.on_started(self->options.context, generation_of(reply));
        json_decref(reply);
    } else if (mu_backoff_applies(answer->status)) {
        start_later(self);
    } else if (answer->status == MUSTER_STALE_INCARNATION) {
        mu_presence_stale(self);
    } else {
        mu_journal_error(self->options.journal, "start", self->options.instance, answer->status,
                         answer->message);
        if (answer->status == MUSTER_INTERNAL)
            start_later(self);
        else
            self->options.on_failed(self->options.context);
    }
}

static void send_start(struct mu_presence *self) {
    if (!call_function(self, "start", on_start))
        start_later(self);
}

void mu_presence_start(struct mu_presence *self, const char *incarnation) {
    snprintf(self->incarnation, sizeof self->incarnation, "%s", incarnation);
    memcpy(self->own[self->starts++ % REMEMBERED], self->incarnation, MU_ID_SIZE);
    self->era++;
    self->state = STARTING;
    mu_backoff_reset(&self->backoff);
    uv_timer_stop(&self->retry);
    uv_timer_stop(&self->heartbeat);
    mu_journal_count(self->options.journal, "starts", 1);
    send_start(self);
}

/* ---- heartbeats ---- */

static void on_beat(void *context, const struct mu_answer *answer) {
    uint64_t suspected = ((struct call *)context)->suspected;
    struct mu_presence *self = end_call(context, STARTED);
    if (!self || mu_backoff_applies(answer->status))
        return; /* the next one is soon */
    if (answer->status == MUSTER_OK) {
        json_t *reply = json_loadb(answer->json, answer->length, 0, NULL);
        mu_journal_count(self->options.journal, "heartbeats", 1);
        note_epoch(self, reply);
        adjust_heartbeats(self, reply);
        self->options.on_beat(self->options.context, generation_of(reply), suspected);
        json_decref(reply);
    } else if (answer->status == MUSTER_UNKNOWN_INSTANCE) {
        self->options.on_lost(self->options.context, muster_status_code(answer->status));
    } else if (answer->status == MUSTER_STALE_INCARNATION) {
        mu_presence_stale(self);
    } else {
        mu_journal_error(self->options.journal, "heartbeat", self->options.instance, answer->status,
                         answer->message);
    }
}

void mu_presence_beat(struct mu_presence *self) {
    if (self->state != STARTED || self->options.heartbeat == MU_SIM_SILENT)
        return;
    const char *arguments[] = {self->options.instance, self->incarnation};
    struct call *call = new_call(self);
    if (mu_speech_call_now(self->options.speech, "heartbeat", 2, arguments, on_beat, call) !=
        MUSTER_OK)
        free(call); /* the link is down: it beats when it comes up */
}

static void on_published(void *context, bool heard) {
    struct mu_presence *self = end_call(context, STARTED);
    if (!self)
        return;
    if (heard)
        mu_journal_count(self->options.journal, "heartbeats", 1);
    else
        mu_presence_beat(self);
}

static void publish_beat(struct mu_presence *self) {
    struct call *call = new_call(self);
    if (mu_speech_beat(self->options.speech, on_published, call) != MUSTER_OK)
        free(call);
}

static void on_heartbeat(uv_timer_t *timer) {
    struct mu_presence *self = timer->data;
    self->beats++;
    if (self->options.heartbeat == MU_SIM_CHANNEL && self->beats % CALL_EVERY != 0)
        publish_beat(self);
    else
        mu_presence_beat(self);
}

/* ---- STOP ---- */

static void send_stop(struct mu_presence *self);

static void on_retry_stop(uv_timer_t *timer) {
    send_stop(timer->data);
}

static void finish(struct mu_presence *self, bool acknowledged) {
    self->state = ENDED;
    uv_timer_stop(&self->retry);
    self->options.on_stopped(self->options.context, acknowledged);
}

static void stop_later(struct mu_presence *self) {
    uint64_t now_us = mu_clock_monotonic_us();
    if (now_us >= self->stop_deadline_us) {
        finish(self, false);
        return;
    }
    uint64_t wait = mu_backoff_next(&self->backoff);
    uint64_t left = (self->stop_deadline_us - now_us) / 1000 + 1;
    uv_timer_start(&self->retry, on_retry_stop, wait < left ? wait : left, 0);
}

static void on_stop(void *context, const struct mu_answer *answer) {
    struct mu_presence *self = end_call(context, STOPPING);
    if (!self)
        return;
    if (mu_backoff_applies(answer->status)) {
        stop_later(self);
        return;
    }
    /* A START that was not answered may not have been carried out, nor come before this. */
    bool other = answer->status == MUSTER_STALE_INCARNATION && self->unstarted;
    if (answer->status != MUSTER_OK && answer->status != MUSTER_UNKNOWN_INSTANCE && !other)
        mu_journal_error(self->options.journal, "stop", self->options.instance, answer->status,
                         answer->message);
    finish(self, answer->status == MUSTER_OK);
}

/* The speech may hold a call for longer than STOP is tried. */
static void on_stop_deadline(uv_timer_t *timer) {
    struct mu_presence *self = timer->data;
    if (self->state == STOPPING)
        finish(self, false);
}

static void send_stop(struct mu_presence *self) {
    if (!call_function(self, "stop", on_stop))
        stop_later(self);
}

void mu_presence_stop(struct mu_presence *self) {
    bool begun = self->state == STARTED || self->state == STARTING;
    uv_timer_stop(&self->retry);
    uv_timer_stop(&self->heartbeat);
    if (!begun) {
        finish(self, false);
        return;
    }
    self->era++;
    self->unstarted = self->state == STARTING;
    self->state = STOPPING;
    mu_backoff_reset(&self->backoff);
    self->stop_deadline_us = mu_clock_monotonic_us() + STOP_MS * UINT64_C(1000);
    uv_timer_start(&self->heartbeat, on_stop_deadline, STOP_MS, 0);
    send_stop(self);
}

uint64_t mu_presence_epoch(const struct mu_presence *self) {
    return self->epoch;
}
