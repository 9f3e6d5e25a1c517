#include "speech_internal.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"

static void on_connected(void *context) {
    struct mu_speech *self = context;
    mu_link_open(self->link);
    if (!self->closing)
        self->options.on_up(self->options.context);
}

static void on_down(void *context, const struct mu_error *reason) {
    struct mu_speech *self = context;
    if (self->closing)
        return;
    if (self->options.address_count > 1) {
        self->at = (self->at + 1) % self->options.address_count;
        mu_link_set_address(self->link, &self->options.addresses[self->at]);
    }
    self->options.on_down(self->options.context, reason);
}

struct mu_speech *mu_speech_create(const struct mu_speech_options *options) {
    struct mu_speech *self = mu_calloc(1, sizeof *self);
    self->options = *options;
    self->manner = options->door ? &mu_manner_door : &mu_manner_redis;
    self->manner->begin(self);
    const struct mu_link_options link = {
        .address = &options->addresses[0],
        .client_name = "muster-sim",
        .command_timeout_ms = MU_SPEECH_TIMEOUT_MS,
        .context = self,
        .on_connected = on_connected,
        .on_down = on_down,
    };
    self->link = mu_link_create(options->loop, &link);
    return self;
}

static void on_closed(void *context) {
    struct mu_speech *self = context;
    self->closed(self->closed_context);
}

void mu_speech_close(struct mu_speech *self, void (*closed)(void *context), void *context) {
    self->closing = true;
    self->closed = closed;
    self->closed_context = context;
    mu_link_close(&self->link, on_closed, self);
}

void mu_speech_destroy(struct mu_speech **speech) {
    free(*speech);
    *speech = NULL;
}

void mu_speech_move(struct mu_speech *self, const struct mu_redis_address *address) {
    self->options.addresses = address;
    mu_link_move(self->link, address);
}

void mu_speech_set_incarnation(struct mu_speech *self, const char *incarnation) {
    snprintf(self->incarnation, sizeof self->incarnation, "%s", incarnation);
}

const char *mu_speech_events(const struct mu_speech *self, char out[MU_KEY_SIZE],
                             const char *name) {
    return self->manner->events(self, out, name);
}

const char *mu_speech_inbox(const struct mu_speech *self, char out[MU_KEY_SIZE]) {
    return mu_key(out, self->options.name_space, "inbox:%s", self->options.instance);
}

enum muster_status mu_speech_call(struct mu_speech *self, const char *operation, size_t count,
                                  const char *const *arguments, mu_answer_cb callback,
                                  void *context) {
    return self->manner->call(self, false, operation, count, arguments, callback, context);
}

enum muster_status mu_speech_call_now(struct mu_speech *self, const char *operation, size_t count,
                                      const char *const *arguments, mu_answer_cb callback,
                                      void *context) {
    return self->manner->call(self, true, operation, count, arguments, callback, context);
}

enum muster_status mu_speech_snapshot(struct mu_speech *self, const char *session,
                                      mu_snapshot_cb callback, void *context) {
    return self->manner->snapshot(self, session, callback, context);
}

enum muster_status mu_speech_standing(struct mu_speech *self, mu_standing_cb callback,
                                      void *context) {
    return self->manner->standing(self, callback, context);
}

enum muster_status mu_speech_beat(struct mu_speech *self, mu_done_cb callback, void *context) {
    return self->manner->beat(self, callback, context);
}

enum muster_status mu_speech_mark(struct mu_speech *self, uint64_t number, mu_done_cb callback,
                                  void *context) {
    return self->manner->mark(self, number, callback, context);
}

const char *mu_speech_mark_channel(const struct mu_speech *self) {
    return self->mark_channel;
}

bool mu_speech_is_mark(const struct mu_speech *self, const char *payload, size_t length,
                       uint64_t number) {
    return self->manner->is_mark(self, payload, length, number);
}
