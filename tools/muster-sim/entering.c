#include "entering.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backoff.h"
#include "base/alloc.h"

struct call {
    struct mu_entering *entering;
    uint64_t era; /* of the incarnation that it was made for */
    struct mu_step step;
};

struct mu_entering {
    struct mu_entering_options options;
    char incarnation[MU_ID_SIZE];
    uint64_t era;
    bool running;
    bool closing;
    bool pumping;
    uint32_t *ring; /* connections that wait, each once */
    uint32_t capacity;
    uint32_t first, waiting;
    bool *busy; /* per connection: waits or is in flight */
    size_t in_flight;
    struct mu_backoff backoff;
    uv_timer_t timer; /* the pause */
    bool paused;
    struct mu_buffer call_options; /* of the call that is made now */
    struct mu_buffer profile;
};

struct mu_entering *mu_entering_create(const struct mu_entering_options *options) {
    struct mu_entering *self = mu_calloc(1, sizeof *self);
    self->options = *options;
    self->capacity = mu_plan_connections(options->plan);
    self->ring = mu_calloc((size_t)self->capacity + 1, sizeof *self->ring);
    self->busy = mu_calloc((size_t)self->capacity + 1, sizeof *self->busy);
    mu_buffer_init(&self->call_options, 0);
    mu_buffer_init(&self->profile, 0);
    uv_timer_init(options->loop, &self->timer);
    self->timer.data = self;
    return self;
}

void mu_entering_close(struct mu_entering *self) {
    self->closing = true;
    self->running = false;
    uv_close((uv_handle_t *)&self->timer, NULL);
}

void mu_entering_destroy(struct mu_entering **entering) {
    struct mu_entering *self = *entering;
    if (!self)
        return;
    mu_buffer_deinit(&self->call_options);
    mu_buffer_deinit(&self->profile);
    free(self->ring);
    free(self->busy);
    free(self);
    *entering = NULL;
}

static void pump(struct mu_entering *self);

static void on_pause_over(uv_timer_t *timer) {
    struct mu_entering *self = timer->data;
    self->paused = false;
    pump(self);
}

static void pause_queue(struct mu_entering *self) {
    if (self->paused || self->closing)
        return;
    self->paused = true;
    uv_timer_start(&self->timer, on_pause_over, mu_backoff_next(&self->backoff), 0);
}

static void push(struct mu_entering *self, uint32_t connection) {
    self->busy[connection] = true;
    self->ring[(self->first + self->waiting) % self->capacity] = connection;
    self->waiting++;
}

static uint32_t pop(struct mu_entering *self) {
    uint32_t connection = self->ring[self->first];
    self->first = (self->first + 1) % self->capacity;
    self->waiting--;
    return connection;
}

static const char *name_of(enum mu_step_kind kind) {
    switch (kind) {
    case MU_STEP_ENTER:
        return "enter";
    case MU_STEP_JOIN:
        return "join";
    case MU_STEP_UPDATE:
        return "update";
    case MU_STEP_LEAVE:
        return "leave";
    case MU_STEP_UNREGISTER:
        return "unregister";
    case MU_STEP_NONE:
        break;
    }
    abort();
}

static void read_reply(struct mu_entering *self, const struct mu_step *step,
                       const struct mu_answer *answer) {
    json_t *reply = json_loadb(answer->json, answer->length, 0, NULL);
    struct mu_view view;
    mu_view_read_reply(reply, &view);
    if (step->kind == MU_STEP_ENTER || step->kind == MU_STEP_JOIN) {
        enum mu_entry entry = MU_ENTRY_REPEATED;
        if (json_is_true(json_object_get(reply, "joined")))
            entry = MU_ENTRY_JOINED;
        else if (json_is_true(json_object_get(reply, "adopted")))
            entry = MU_ENTRY_ADOPTED;
        mu_holding_entered(self->options.holding, step, entry, view.seq);
    } else {
        mu_holding_done(self->options.holding, step);
    }
    if (step->kind != MU_STEP_UPDATE && step->kind != MU_STEP_UNREGISTER)
        self->options.on_view(self->options.context,
                              mu_plan_session(self->options.plan, step->connection, step->slot),
                              &view);
    json_decref(reply);
}

static void complain(struct mu_entering *self, const struct mu_step *step,
                     const struct mu_answer *answer) {
    char id[MU_ID_SIZE];
    mu_plan_connection_id(self->options.plan, step->connection, id);
    mu_journal_error(self->options.journal, name_of(step->kind), id, answer->status,
                     answer->message);
}

static void take_answer(struct mu_entering *self, const struct mu_step *step,
                        const struct mu_answer *answer) {
    struct mu_holding *holding = self->options.holding;
    if (mu_backoff_applies(answer->status)) {
        mu_journal_count(self->options.journal, "retries", 1);
        mu_holding_repeat_step(holding, step);
        push(self, step->connection);
        pause_queue(self);
        return;
    }
    mu_backoff_reset(&self->backoff);
    if (answer->status == MUSTER_UNKNOWN_INSTANCE || answer->status == MUSTER_STALE_INCARNATION) {
        mu_holding_repeat_step(holding, step);
        push(self, step->connection);
        self->running = false;
        self->options.on_refused(self->options.context, answer->status);
        return;
    }
    if (answer->status == MUSTER_OK) {
        mu_journal_count(self->options.journal, name_of(step->kind), 1);
        read_reply(self, step, answer);
    } else {
        complain(self, step, answer);
        if (answer->status == MUSTER_UNKNOWN_CONNECTION)
            mu_holding_unknown(holding, step);
        else
            mu_holding_refused(holding, step);
    }
    if (mu_holding_next(holding, step->connection).kind != MU_STEP_NONE)
        push(self, step->connection);
    else
        self->busy[step->connection] = false;
}

static void on_answer(void *context, const struct mu_answer *answer) {
    struct call *call = context;
    struct mu_entering *self = call->entering;
    self->in_flight--;
    if (!self->closing && call->era == self->era)
        take_answer(self, &call->step, answer);
    free(call);
    pump(self);
}

/* The arguments of model.md; false when the link takes no more for now. */
static bool issue(struct mu_entering *self, const struct mu_step *step) {
    char session[MU_ID_SIZE], connection[MU_ID_SIZE];
    const char *arguments[6];
    size_t count = 0;
    mu_plan_connection_id(self->options.plan, step->connection, connection);
    if (step->kind != MU_STEP_UPDATE && step->kind != MU_STEP_UNREGISTER) {
        mu_plan_session_id(self->options.plan,
                           mu_plan_session(self->options.plan, step->connection, step->slot),
                           session);
        arguments[count++] = session;
    }
    arguments[count++] = connection;
    arguments[count++] = self->options.instance;
    arguments[count++] = self->incarnation;
    if (step->kind == MU_STEP_ENTER || step->kind == MU_STEP_JOIN) {
        mu_plan_call_options(self->options.plan, step->connection, step->kind == MU_STEP_ENTER,
                             &self->call_options);
        arguments[count++] = self->call_options.data;
    }
    if (step->kind == MU_STEP_ENTER || step->kind == MU_STEP_UPDATE) {
        mu_plan_profile(self->options.plan, step->connection, step->version, &self->profile);
        arguments[count++] = self->profile.data;
    }
    struct call *call = mu_calloc(1, sizeof *call);
    call->entering = self;
    call->era = self->era;
    call->step = *step;
    if (mu_speech_call(self->options.speech, name_of(step->kind), count, arguments, on_answer,
                       call) != MUSTER_OK) {
        free(call);
        return false;
    }
    self->in_flight++;
    mu_holding_begin_step(self->options.holding, step);
    return true;
}

static void pump(struct mu_entering *self) {
    if (self->pumping)
        return; /* a callback of ours asked for more: the loop below goes on */
    self->pumping = true;
    while (self->running && !self->paused && self->waiting > 0 &&
           self->in_flight < self->options.pace) {
        uint32_t connection = pop(self);
        struct mu_step step = mu_holding_next(self->options.holding, connection);
        if (step.kind == MU_STEP_NONE) {
            self->busy[connection] = false;
        } else if (!issue(self, &step)) {
            push(self, connection);
            pause_queue(self);
        }
    }
    self->pumping = false;
    if (mu_entering_settled(self))
        self->options.on_settled(self->options.context);
}

void mu_entering_begin(struct mu_entering *self, const char *incarnation) {
    snprintf(self->incarnation, sizeof self->incarnation, "%s", incarnation);
    self->era++;
    self->running = true;
    self->paused = false;
    uv_timer_stop(&self->timer);
    mu_backoff_reset(&self->backoff);
    mu_holding_renew(self->options.holding);
    self->first = 0;
    self->waiting = 0;
    for (uint32_t i = 0; i < self->capacity; i++) {
        self->busy[i] = false;
        if (mu_holding_present(self->options.holding, i))
            push(self, i);
    }
    pump(self);
}

void mu_entering_halt(struct mu_entering *self) {
    self->running = false;
    self->era++; /* what is still in flight concerns nobody */
}

void mu_entering_queue(struct mu_entering *self, uint32_t connection) {
    if (self->running && !self->busy[connection]) {
        push(self, connection);
        pump(self);
    }
}

bool mu_entering_idle(const struct mu_entering *self, uint32_t connection) {
    return !self->busy[connection];
}

bool mu_entering_settled(const struct mu_entering *self) {
    return self->running && self->waiting == 0 && self->in_flight == 0;
}

size_t mu_entering_in_flight(const struct mu_entering *self) {
    return self->in_flight;
}
