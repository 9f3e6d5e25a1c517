#include "request/request.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "request/request_internal.h"

#define PENDING_MAX 100000
#define BYTES_MAX ((size_t)64 << 20)
#define ARGUMENT_MAX ((size_t)64 << 10)
#define TIMEOUT_MS 5000
#define NAME_MAX_BYTES 64

static void on_timer(uv_timer_t *timer);
static void on_check(uv_check_t *check);

static void on_idle(uv_idle_t *idle) {
    (void)idle;
}

/* ---- memory ---- */

static void release(const char *text) {
    free((char *)(uintptr_t)text);
}

static void wipe(struct muster_text *text) {
    if (text->data != NULL) {
        explicit_bzero((char *)(uintptr_t)text->data, text->length);
        release(text->data);
    }
    *text = (struct muster_text){NULL, 0};
}

static struct muster_text copy_text(const struct muster_text *text) {
    if (text->data == NULL) {
        return (struct muster_text){NULL, 0};
    }
    char *copy = mu_calloc(1, text->length + 1);
    memcpy(copy, text->data, text->length);
    return (struct muster_text){copy, text->length};
}

static const char *copy_string(const char *text) {
    return text != NULL ? mu_strdup(text) : NULL;
}

static void copy_credentials(struct mu_one_request *request,
                             const struct muster_credentials *credentials) {
    request->has_credentials = true;
    request->credentials = *credentials;
    request->credentials.user = copy_text(&credentials->user);
    request->credentials.token = copy_text(&credentials->token);
    request->credentials.certificate = copy_string(credentials->certificate);
    request->credentials.peer = copy_string(credentials->peer);
    request->credentials.transport = request->door;
    request->credentials.requested_user = copy_string(credentials->requested_user);
}

static void free_credentials(struct mu_one_request *request) {
    wipe(&request->credentials.user);
    wipe(&request->credentials.token);
    release(request->credentials.certificate);
    release(request->credentials.peer);
    release(request->credentials.requested_user);
}

static void copy_resource(struct mu_one_request *request, const struct muster_resource *resource) {
    request->has_resource = true;
    request->resource = (struct muster_resource){
        .operation = copy_string(resource->operation),
        .session = copy_string(resource->session),
        .connection = copy_string(resource->connection),
        .instance = copy_string(resource->instance),
        .incarnation = copy_string(resource->incarnation),
        .user = copy_string(resource->user),
        .claims = copy_string(resource->claims),
        .resumed = copy_string(resource->resumed),
    };
}

static void free_resource(struct mu_one_request *request) {
    if (request->has_resource) {
        release(request->resource.operation);
        release(request->resource.session);
        release(request->resource.connection);
        release(request->resource.instance);
        release(request->resource.incarnation);
        release(request->resource.user);
        release(request->resource.claims);
        release(request->resource.resumed);
    }
}

void mu_request_ref(struct mu_one_request *request) {
    assert(request->magic == MU_REQUEST_MAGIC && request->references > 0);
    request->references++;
}

void mu_request_unref(struct mu_one_request **pointer) {
    struct mu_one_request *request = *pointer;
    *pointer = NULL;
    assert(request->magic == MU_REQUEST_MAGIC && request->references > 0);
    if (--request->references > 0) {
        return;
    }
    assert(!mu_life_is_pending(request->life) && !request->at_redis);
    request->owner_set->counts.bytes -= request->bytes;
    request->owner_set->living--;
    for (size_t i = 0; i < request->count; i++) {
        wipe(&request->arguments[i]); /* a profile, or a secret */
    }
    free(request->arguments);
    free_credentials(request);
    free_resource(request);
    mu_options_deinit(&request->options);
    mu_caller_unref(&request->caller);
    free(request->name);
    free(request->user);
    free(request->claims);
    release(request->quota.holder);
    request->magic = 0;
    free(request);
}

/* ---- life ---- */

/* The invariant of the states, checked at every move. */
static void check(const struct mu_one_request *request) {
    assert(request->magic == MU_REQUEST_MAGIC);
    assert(request->references > 0);
    assert(mu_life_is_pending(request->life) == (request->deadline.place != 0));
    assert(request->life != MU_LIFE_AUTHORIZING || request->caller != NULL);
    assert(request->life != MU_LIFE_VERIFYING || request->options.credential != NULL);
}

void mu_request_move(struct mu_one_request *request, enum mu_life life) {
    assert(mu_life_may_follow(request->life, life));
    request->life = life;
    check(request);
}

/* Work is due in the next turn, after the sockets: a door that asks again from its reply must not
 * keep others waiting. */
static void wake(void *context) {
    struct mu_requests *set = context;
    if (!set->handle_closing) {
        uv_check_start(&set->check, on_check);
        uv_idle_start(&set->idle, on_idle);
    }
}

static void look_at(struct mu_requests *set) {
    const struct mu_heap_node *node = mu_heap_first(&set->deadlines);
    if (set->handle_closing) {
        return;
    }
    if (node != NULL) {
        uint64_t now = mu_clock_boottime_ms();
        uv_timer_start(&set->timer, on_timer, node->key > now ? node->key - now : 1, 0);
    } else {
        uv_timer_stop(&set->timer);
    }
}

static void maybe_closed(struct mu_requests *set);

/* No longer pending: out of the heap, the table and, later, the queue. The reference of being
 * pending is the caller's to give back. */
static void leave(struct mu_one_request *request, enum mu_life life) {
    struct mu_requests *set = request->owner_set;
    mu_heap_remove(&set->deadlines, &request->deadline);
    HASH_DEL(set->by_id, request);
    set->counts.pending--;
    mu_request_move(request, life);
}

void mu_request_answer(struct mu_one_request *request, const struct muster_result *result) {
    if (!mu_life_is_pending(request->life)) {
        return;
    }
    struct mu_requests *set = request->owner_set;
    leave(request, MU_LIFE_ANSWERED);
    set->counts.statuses[result->status]++;
    if (request->decoded) {
        mu_histogram_add(&set->counts.took[request->operation], MU_HISTOGRAM_TIME,
                         mu_clock_monotonic_us() - request->arrived_us);
    }
    request->reply(request->context, result);
    mu_request_unref(&request);
    maybe_closed(set);
}

void mu_request_done(struct mu_one_request *request, const struct mu_ruling *verdict) {
    if (!mu_life_is_pending(request->life)) {
        return;
    }
    struct mu_requests *set = request->owner_set;
    leave(request, MU_LIFE_ANSWERED);
    request->done(request->context, verdict);
    mu_request_unref(&request);
    maybe_closed(set);
}

void mu_request_fail(struct mu_one_request *request, enum muster_status status,
                     const char *message) {
    if (request->kind != MU_ASK_OPERATION) {
        mu_request_done(request, &(struct mu_ruling){.status = status, .reason = message});
        return;
    }
    mu_request_answer(request, &(struct muster_result){.status = status,
                                                       .message = message,
                                                       .retry = muster_status_retry(status)});
}

void mu_request_left_redis(struct mu_one_request *request) {
    struct mu_requests *set = request->owner_set;
    assert(request->at_redis);
    request->at_redis = false;
    set->counts.at_redis--;
    mu_request_unref(&request);
    maybe_closed(set);
}

/* The one way to end early: disconnect, shutdown, and whoever lost interest. */
static void cancel(struct mu_one_request *request) {
    struct mu_requests *set = request->owner_set;
    uint64_t ticket = request->ticket;
    request->ticket = 0;
    leave(request, MU_LIFE_CANCELLED);
    set->counts.cancelled++;
    mu_auth_cancel(set->options.auth, ticket);
    mu_request_unref(&request);
}

static void expire(struct mu_one_request *request) {
    if (request->ticket != 0) { /* auth knows who kept silent, and answers */
        mu_auth_expire(request->owner_set->options.auth, request->ticket);
    } else if (request->life == MU_LIFE_APPLYING) {
        mu_request_fail(request, MUSTER_TIMEOUT,
                        "Redis did not answer in time; the outcome is unknown, repeating is safe");
    } else {
        mu_request_fail(request, MUSTER_TIMEOUT, "its turn did not come in time; nothing happened");
    }
}

/* ---- time ---- */

static void run_queue(struct mu_requests *set) {
    struct mu_one_request *request = set->first;
    set->first = NULL;
    set->last = &set->first;
    while (request != NULL) {
        struct mu_one_request *next = request->next;
        request->next = NULL;
        if (request->life == MU_LIFE_QUEUED) {
            mu_request_begin(request);
        }
        mu_request_unref(&request); /* that of the queue */
        request = next;
    }
}

static void on_timer(uv_timer_t *timer) {
    struct mu_requests *set = timer->data;
    uint64_t now = mu_clock_boottime_ms();
    for (struct mu_heap_node *node = mu_heap_first(&set->deadlines);
         node != NULL && node->key <= now; node = mu_heap_first(&set->deadlines)) {
        expire((struct mu_one_request *)(void *)((char *)node -
                                                 offsetof(struct mu_one_request, deadline)));
    }
    look_at(set);
}

static void on_check(uv_check_t *check) {
    struct mu_requests *set = check->data;
    uv_check_stop(&set->check);
    uv_idle_stop(&set->idle);
    mu_auth_tick(set->options.auth);
    run_queue(set);
    look_at(set);
}

/* ---- asking ---- */

static struct mu_one_request *prepare(struct mu_requests *set, enum mu_request_kind kind,
                                      void *owner, const char *door, void *context, size_t bytes,
                                      enum muster_status *status) {
    *status = set->closing ? MUSTER_UNAVAILABLE
              : set->living >= set->options.limits.pending_max ||
                      set->counts.bytes > set->options.limits.bytes_max ||
                      bytes > set->options.limits.bytes_max - set->counts.bytes
                  ? MUSTER_OVERLOADED
                  : MUSTER_OK;
    if (*status != MUSTER_OK) {
        set->counts.refused++;
        return NULL;
    }
    struct mu_one_request *request = mu_calloc(1, sizeof *request);
    request->magic = MU_REQUEST_MAGIC;
    request->references = 2; /* pending, and in the queue */
    request->owner_set = set;
    request->id = ++set->id;
    request->kind = kind;
    request->owner = owner;
    request->door = door;
    request->context = context;
    request->bytes = bytes;
    request->arrived_us = mu_clock_monotonic_us();
    set->counts.bytes += bytes;
    set->counts.pending++;
    set->living++;
    return request;
}

static void enqueue(struct mu_one_request *request, uint64_t timeout_ms, uint64_t *id) {
    struct mu_requests *set = request->owner_set;
    uint64_t most = set->options.limits.timeout_ms;
    uint64_t wait = timeout_ms > 0 && timeout_ms < most ? timeout_ms : most;
    mu_heap_add(&set->deadlines, &request->deadline, mu_clock_boottime_ms() + wait);
    HASH_ADD(hh, set->by_id, id, sizeof request->id, request);
    *set->last = request;
    set->last = &request->next;
    if (id != NULL) {
        *id = request->id;
    }
    check(request);
    if (mu_heap_first(&set->deadlines) == &request->deadline) {
        look_at(set);
    }
    wake(set);
}

static size_t size_of(const struct muster_credentials *credentials) {
    return credentials != NULL ? credentials->user.length + credentials->token.length : 0;
}

/* Fit for a sentence: no name of an operation has any other byte, nor as many. */
static char *copy_name(const struct muster_text *name) {
    size_t length = name->length < NAME_MAX_BYTES ? name->length : NAME_MAX_BYTES;
    char *copy = mu_calloc(1, length + 1);
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)name->data[i];
        copy[i] = (char)(byte >= 0x20 && byte < 0x7f ? byte : '?');
    }
    return copy;
}

enum muster_status mu_requests_submit(struct mu_requests *set,
                                      const struct mu_submission *submission, uint64_t *id) {
    enum muster_status status;
    size_t bytes = sizeof(struct mu_one_request) + size_of(submission->credentials);
    size_t count =
        submission->count < MUSTER_ARGUMENTS_MAX + 1 ? submission->count : MUSTER_ARGUMENTS_MAX + 1;
    for (size_t i = 0; i < count; i++) {
        bytes += submission->arguments[i].length + sizeof(struct muster_text);
    }
    struct mu_one_request *request = prepare(set, MU_ASK_OPERATION, submission->owner,
                                             submission->door, submission->context, bytes, &status);
    if (request == NULL) {
        return status;
    }
    request->reply = submission->reply;
    if (submission->caller != NULL) {
        request->caller = mu_caller_ref(submission->caller);
    } else if (submission->credentials != NULL) {
        copy_credentials(request, submission->credentials);
    }
    request->name = copy_name(&submission->operation);
    request->count = count;
    request->arguments = mu_calloc(count > 0 ? count : 1, sizeof *request->arguments);
    for (size_t i = 0; i < count; i++) {
        static const struct muster_text empty = {"", 0};
        request->arguments[i] =
            copy_text(submission->arguments[i].data != NULL ? &submission->arguments[i] : &empty);
    }
    if (request->credentials.peer == NULL) {
        request->credentials.peer = copy_string(submission->peer);
    }
    enqueue(request, submission->timeout_ms, id);
    return MUSTER_OK;
}

enum muster_status mu_requests_authenticate(struct mu_requests *set, void *owner, const char *door,
                                            const struct muster_credentials *credentials,
                                            mu_ruling_cb done, void *context, uint64_t *id) {
    enum muster_status status;
    struct mu_one_request *request =
        prepare(set, MU_ASK_WHO, owner, door, context,
                sizeof(struct mu_one_request) + size_of(credentials), &status);
    if (request == NULL) {
        return status;
    }
    request->done = done;
    copy_credentials(request, credentials);
    enqueue(request, 0, id);
    return MUSTER_OK;
}

enum muster_status mu_requests_authorize(struct mu_requests *set, void *owner, const char *door,
                                         struct muster_caller *caller, enum muster_action action,
                                         const struct muster_resource *resource, mu_ruling_cb done,
                                         void *context, uint64_t *id) {
    enum muster_status status;
    struct mu_one_request *request =
        prepare(set, MU_ASK_WHETHER, owner, door, context, sizeof(struct mu_one_request), &status);
    if (request == NULL) {
        return status;
    }
    request->done = done;
    request->caller = caller != NULL ? mu_caller_ref(caller) : mu_caller_anonymous();
    request->action = action;
    copy_resource(request, resource);
    enqueue(request, 0, id);
    return MUSTER_OK;
}

void mu_requests_cancel(struct mu_requests *set, uint64_t id) {
    struct mu_one_request *request = NULL;
    HASH_FIND(hh, set->by_id, &id, sizeof id, request);
    if (request != NULL) {
        cancel(request);
    }
}

void mu_requests_cancel_owner(struct mu_requests *set, const void *owner) {
    struct mu_one_request *request = NULL;
    struct mu_one_request *next = NULL;
    HASH_ITER(hh, set->by_id, request, next) {
        if (owner == NULL || request->owner == owner) {
            cancel(request);
        }
    }
}

size_t mu_requests_pending(const struct mu_requests *set, const void *owner) {
    const struct mu_one_request *request = NULL;
    const struct mu_one_request *next = NULL;
    size_t count = 0;
    HASH_ITER(hh, set->by_id, request, next) {
        count += owner == NULL || request->owner == owner ? 1 : 0;
    }
    return count;
}

void mu_requests_counts(const struct mu_requests *set, struct mu_request_counts *out) {
    *out = set->counts;
}

/* ---- beginning and end ---- */

void mu_requests_set_limits(struct mu_requests *set, const struct mu_requests_limits *limits) {
    set->options.limits = (struct mu_requests_limits){
        .pending_max = limits->pending_max > 0 ? limits->pending_max : PENDING_MAX,
        .bytes_max = limits->bytes_max > 0 ? limits->bytes_max : BYTES_MAX,
        .argument_max = limits->argument_max > 0 ? limits->argument_max : ARGUMENT_MAX,
        .timeout_ms = limits->timeout_ms > 0 ? limits->timeout_ms : TIMEOUT_MS,
    };
}

struct mu_requests *mu_requests_create(const struct mu_requests_options *options) {
    struct mu_requests *set = mu_calloc(1, sizeof *set);
    set->options = *options;
    mu_requests_set_limits(set, &options->limits);
    set->last = &set->first;
    uv_timer_init(options->loop, &set->timer);
    uv_check_init(options->loop, &set->check);
    uv_idle_init(options->loop, &set->idle);
    set->timer.data = set;
    set->check.data = set;
    set->idle.data = set;
    set->handles = 3;
    mu_auth_set_wake(options->auth, wake, set);
    return set;
}

static void on_handle_closed(uv_handle_t *handle) {
    struct mu_requests *set = handle->data;
    if (--set->handles > 0) {
        return;
    }
    void (*closed)(void *context) = set->closed;
    void *context = set->closed_context;
    assert(set->counts.pending == 0 && set->counts.at_redis == 0 && set->first == NULL);
    mu_heap_deinit(&set->deadlines);
    free(set);
    if (closed != NULL) {
        closed(context);
    }
}

static void maybe_closed(struct mu_requests *set) {
    if (set->closing && !set->handle_closing && set->counts.at_redis == 0 &&
        set->counts.pending == 0) {
        set->handle_closing = true;
        mu_auth_set_wake(set->options.auth, NULL, NULL);
        run_queue(set); /* all of them cancelled: gives the references back */
        uv_close((uv_handle_t *)&set->timer, on_handle_closed);
        uv_close((uv_handle_t *)&set->check, on_handle_closed);
        uv_close((uv_handle_t *)&set->idle, on_handle_closed);
    }
}

void mu_requests_close(struct mu_requests **requests, void (*closed)(void *context),
                       void *context) {
    struct mu_requests *set = *requests;
    *requests = NULL;
    if (set == NULL) {
        if (closed != NULL) {
            closed(context);
        }
        return;
    }
    set->closing = true;
    set->closed = closed;
    set->closed_context = context;
    mu_requests_cancel_owner(set, NULL);
    maybe_closed(set);
}
