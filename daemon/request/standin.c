/* Stands in until the folder is filled, so that doors can be tried: delete this file with it. No
 * credentials, no cancellation of a kept question's texts, no session.lead. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "request/request.h"

struct request {
    struct mu_requests *owner;
    struct mu_submission submission;
    uint64_t id, deadline, ticket;
    enum muster_operation operation;
    bool known, begun, decided, answered, cancelled, at_redis;
    enum muster_status status;
    char *text;    /* JSON or a message */
    char **values; /* copies */
    struct muster_text *arguments;
    mu_verdict_cb done; /* of authenticate and authorize alone */
    struct muster_resource resource;
    enum muster_action action;
    bool authentication;
    struct request *next;
};

struct mu_requests {
    struct mu_requests_options options;
    struct request *first;
    uv_timer_t timer;
    uint64_t last_id;
    bool closing;
    void (*closed)(void *context);
    void *context;
    struct mu_request_counts counts;
};

static void run(uv_timer_t *timer);

struct mu_requests *mu_requests_create(const struct mu_requests_options *options) {
    struct mu_requests *self = mu_calloc(1, sizeof *self);
    self->options = *options;
    uv_timer_init(options->loop, &self->timer);
    self->timer.data = self;
    uv_timer_start(&self->timer, run, 1, 1);
    return self;
}

static void finish(struct request *request, enum muster_status status, const char *text) {
    request->answered = true;
    request->status = status;
    request->text = mu_strdup(text != NULL ? text : "");
}

static void on_answer(void *context, const struct mu_answer *answer) {
    struct request *request = context;
    request->at_redis = false;
    if (!request->answered) {
        finish(request, answer->status,
               answer->status == MUSTER_OK ? answer->json : answer->message);
    }
}

static void on_verdict(void *context, const struct mu_verdict *verdict) {
    struct request *request = context;
    request->ticket = 0;
    if (verdict->status != MUSTER_OK) {
        finish(request, verdict->status, verdict->reason);
    } else {
        request->decided = true;
    }
}

static void apply(struct request *request) {
    struct mu_requests *self = request->owner;
    request->decided = false;
    if (!request->known) {
        finish(request, MUSTER_OK, "");
        return;
    }
    enum muster_status status =
        mu_registry_apply(self->options.registry, request->operation, request->submission.count,
                          request->arguments, on_answer, request);
    request->at_redis = status == MUSTER_OK;
    if (status != MUSTER_OK) {
        finish(request, status, mu_registry_refusal(self->options.registry));
    }
}

static void begin(struct request *request) {
    request->begun = true;
    if (request->authentication) {
        finish(request, MUSTER_OK, "");
        return;
    }
    if (request->done == NULL) {
        const struct muster_operation_info *info = &mu_operations[request->operation];
        if (!request->known || request->submission.count < info->least ||
            request->submission.count > info->most) {
            finish(request, MUSTER_BAD_REQUEST, request->known ? info->usage : "no such operation");
            return;
        }
        request->action = info->action;
        request->resource.operation = info->name;
    }
    mu_auth_authorize(request->owner->options.auth, request->submission.caller, request->action,
                      &request->resource, request->deadline, on_verdict, request, &request->ticket);
}

static void release(struct request *request) {
    for (size_t i = 0; i < request->submission.count; i++) {
        free(request->values[i]);
    }
    free(request->values);
    free(request->arguments);
    free(request->text);
    free(request);
}

static void answer(struct request *request) {
    bool fine = request->status == MUSTER_OK;
    if (request->cancelled) {
        return;
    }
    if (request->done != NULL) {
        struct muster_caller *caller = request->authentication ? mu_caller_anonymous() : NULL;
        request->done(request->submission.context,
                      &(struct mu_verdict){.status = request->status,
                                           .reason = fine ? NULL : request->text,
                                           .caller = caller});
        mu_caller_unref(&caller);
        return;
    }
    struct muster_result result = {.status = request->status,
                                   .json = fine ? request->text : NULL,
                                   .length = fine ? strlen(request->text) : 0,
                                   .message = fine ? NULL : request->text,
                                   .retry = muster_status_retry(request->status)};
    request->submission.reply(request->submission.context, &result);
}

static void on_gone(uv_handle_t *handle) {
    struct mu_requests *self = handle->data;
    void (*closed)(void *context) = self->closed;
    void *context = self->context;
    free(self);
    closed(context);
}

static void step(struct request *request) {
    if (!request->begun && !request->answered) {
        begin(request);
    }
    if (request->decided && !request->answered) {
        apply(request);
    }
    if (!request->answered && mu_clock_boottime_ms() >= request->deadline) {
        mu_auth_cancel(request->owner->options.auth, request->ticket);
        finish(request, MUSTER_TIMEOUT, "no answer in time");
    }
}

static void run(uv_timer_t *timer) {
    struct mu_requests *self = timer->data;
    mu_auth_tick(self->options.auth, mu_clock_boottime_ms());
    for (struct request **at = &self->first; *at != NULL;) {
        struct request *request = *at;
        step(request);
        bool due = request->answered && request->text != NULL;
        if (due && !request->cancelled) {
            answer(request);
            request->cancelled = true; /* once */
        }
        if (request->answered && !request->at_redis) {
            at = &self->first;
            while (*at != request) {
                at = &(*at)->next;
            }
            *at = request->next;
            release(request);
        } else {
            at = &request->next;
        }
    }
    if (self->closing && self->first == NULL) {
        self->closing = false;
        uv_close((uv_handle_t *)&self->timer, on_gone);
    }
}

static struct request *add(struct mu_requests *self, uint64_t timeout_ms, uint64_t *id) {
    struct request *request = mu_calloc(1, sizeof *request);
    uint64_t most = self->options.timeout_ms;
    request->owner = self;
    request->id = *id = ++self->last_id;
    request->deadline =
        mu_clock_boottime_ms() + (timeout_ms == 0 || timeout_ms > most ? most : timeout_ms);
    request->next = self->first;
    self->first = request;
    return request;
}

enum muster_status mu_requests_submit(struct mu_requests *self,
                                      const struct mu_submission *submission, uint64_t *id) {
    struct request *request = add(self, submission->timeout_ms, id);
    request->submission = *submission;
    request->submission.caller = NULL;
    request->known = mu_operation_find(submission->operation.data, submission->operation.length,
                                       &request->operation);
    request->values = mu_calloc(submission->count + 1, sizeof(char *));
    request->arguments = mu_calloc(submission->count + 1, sizeof *request->arguments);
    for (size_t i = 0; i < submission->count; i++) {
        request->values[i] =
            mu_strndup(submission->arguments[i].data, submission->arguments[i].length);
        request->arguments[i] =
            (struct muster_text){request->values[i], submission->arguments[i].length};
    }
    return MUSTER_OK;
}

enum muster_status mu_requests_authenticate(struct mu_requests *self, void *owner, const char *door,
                                            const struct muster_credentials *credentials,
                                            mu_verdict_cb done, void *context, uint64_t *id) {
    struct request *request = add(self, 0, id);
    (void)door;
    (void)credentials;
    request->submission.owner = owner;
    request->submission.context = context;
    request->done = done;
    request->authentication = true;
    return MUSTER_OK;
}

enum muster_status mu_requests_authorize(struct mu_requests *self, void *owner, const char *door,
                                         struct muster_caller *caller, enum muster_action action,
                                         const struct muster_resource *resource, mu_verdict_cb done,
                                         void *context, uint64_t *id) {
    struct request *request = add(self, 0, id);
    (void)door;
    (void)caller;
    (void)resource;
    request->submission.owner = owner;
    request->submission.context = context;
    request->done = done;
    request->action = action;
    return MUSTER_OK;
}

static void drop(struct request *request) {
    mu_auth_cancel(request->owner->options.auth, request->ticket);
    request->ticket = 0;
    request->cancelled = true;
    if (!request->answered) {
        finish(request, MUSTER_UNAVAILABLE, "");
    }
}

void mu_requests_cancel(struct mu_requests *self, uint64_t id) {
    for (struct request *request = self->first; request != NULL; request = request->next) {
        if (request->id == id) {
            drop(request);
        }
    }
}

void mu_requests_cancel_owner(struct mu_requests *self, const void *owner) {
    for (struct request *request = self->first; request != NULL; request = request->next) {
        if (owner == NULL || request->submission.owner == owner) {
            drop(request);
        }
    }
}

void mu_requests_counts(const struct mu_requests *self, struct mu_request_counts *out) {
    *out = self->counts;
}

void mu_requests_close(struct mu_requests **requests, void (*closed)(void *context),
                       void *context) {
    struct mu_requests *self = *requests;
    *requests = NULL;
    self->closed = closed;
    self->context = context;
    self->closing = true;
    mu_requests_cancel_owner(self, NULL);
}
