#include "coordinator/fence.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"

#define ARGUMENTS_MAX 1023
#define ON_STACK 16

struct mu_fence {
    struct mu_fence_options options;
    uint64_t tenure; /* odd while one lasts */
    char epoch[24];
    size_t pending;
};

/* One question under way. A timed one is answered when the second TIME is. */
struct question {
    struct mu_fence *fence;
    uint64_t tenure;
    mu_fence_answer_cb on_answer;
    mu_fence_reply_cb on_reply;
    void *context;
    void *note;
    unsigned parts; /* replies still to come */
    bool timed;
    enum mu_slice slice; /* of a timed one; MU_SLICES: not measured */
    uint64_t sent_us;
    uint64_t before_us; /* Redis's time; 0: not known */
    uint64_t after_us;
    struct mu_answer answer; /* a copy, while the second TIME is awaited */
    char *text;
};

struct mu_fence *mu_fence_create(const struct mu_fence_options *options) {
    struct mu_fence *fence = mu_calloc(1, sizeof *fence);
    fence->options = *options;
    return fence;
}

void mu_fence_destroy(struct mu_fence **fence) {
    if (*fence == NULL) {
        return;
    }
    assert((*fence)->pending == 0);
    free(*fence);
    *fence = NULL;
}

void mu_fence_begin(struct mu_fence *fence, uint64_t epoch) {
    assert(!mu_fence_active(fence));
    fence->tenure++;
    snprintf(fence->epoch, sizeof fence->epoch, "%" PRIu64, epoch);
}

void mu_fence_end(struct mu_fence *fence) {
    assert(mu_fence_active(fence));
    fence->tenure++;
}

void mu_fence_drop(struct mu_fence *fence) {
    if (mu_fence_active(fence)) {
        fence->tenure += 2;
    }
}

bool mu_fence_active(const struct mu_fence *fence) {
    return fence->tenure % 2 == 1;
}

const char *mu_fence_name_space(const struct mu_fence *fence) {
    return fence->options.name_space;
}

struct mu_tally *mu_fence_tally(const struct mu_fence *fence) {
    return fence->options.tally;
}

static enum mu_slice slice_of(const char *operation) {
    static const char *const functions[MU_SLICES] = {
#define NAME(name, function) function,
        MU_SLICE_TABLE(NAME)
#undef NAME
    };
    int slice = 0;
    while (slice < MU_SLICES && strcmp(functions[slice], operation) != 0) {
        slice++;
    }
    return (enum mu_slice)slice;
}

static struct question *ask(struct mu_fence *fence, void *context, struct mu_note note) {
    struct question *question = mu_calloc(1, sizeof *question);
    question->fence = fence;
    question->tenure = fence->tenure;
    question->context = context;
    question->parts = 1;
    if (note.size > 0) {
        question->note = mu_calloc(1, note.size);
        memcpy(question->note, note.data, note.size);
    }
    fence->pending++;
    return question;
}

static void done(struct question *question) {
    question->fence->pending--;
    free(question->note);
    free(question->text);
    free(question);
}

static bool current(const struct question *question) {
    return question->tenure == question->fence->tenure;
}

static void deliver(struct question *question, const struct mu_answer *answer) {
    const struct mu_fence_options *options = &question->fence->options;
    uint64_t took = 0;
    if (question->timed) {
        took = question->before_us != 0 && question->after_us > question->before_us
                   ? question->after_us - question->before_us
                   : mu_clock_monotonic_us() - question->sent_us;
        took = took > 0 ? took : 1;
        if (question->slice < MU_SLICES && answer->status == MUSTER_OK) {
            mu_histogram_add(&options->tally->slices[question->slice], MU_HISTOGRAM_TIME, took);
        }
    }
    if (current(question) && answer->status == MUSTER_STALE_EPOCH) {
        options->on_stale(options->context, answer->message);
    } else if (current(question)) {
        /* Whoever asked first: its state must be settled before anything is stopped. */
        question->on_answer(question->context, question->note, answer, took);
        if (current(question) && answer->status == MUSTER_UNAVAILABLE) {
            options->on_unavailable(options->context, answer->message);
        }
    }
}

static void finish(struct question *question, const struct mu_answer *answer) {
    assert(question->parts == 0);
    if (answer != NULL) {
        deliver(question, answer);
    }
    done(question);
}

static void on_answer(void *context, const struct mu_answer *answer) {
    struct question *question = context;
    if (--question->parts == 0) {
        finish(question, answer);
        return;
    }
    /* The second TIME is still to come. */
    question->answer = *answer;
    if (answer->status == MUSTER_OK) {
        question->text = mu_strndup(answer->json, answer->length);
        question->answer.json = question->text;
    } else {
        question->text = mu_strdup(answer->message == NULL ? "" : answer->message);
        question->answer.message = question->text;
    }
}

static uint64_t read_time(const redisReply *reply) {
    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
        reply->element[0]->type != REDIS_REPLY_STRING ||
        reply->element[1]->type != REDIS_REPLY_STRING) {
        return 0;
    }
    return strtoull(reply->element[0]->str, NULL, 10) * 1000000 +
           strtoull(reply->element[1]->str, NULL, 10);
}

static void on_before(void *context, enum muster_status status, const redisReply *reply,
                      const struct mu_error *error) {
    struct question *question = context;
    (void)error;
    question->before_us = status == MUSTER_OK ? read_time(reply) : 0;
    if (--question->parts == 0) {
        finish(question, NULL); /* the write itself found no room in the queue */
    }
}

static void on_after(void *context, enum muster_status status, const redisReply *reply,
                     const struct mu_error *error) {
    struct question *question = context;
    (void)error;
    question->after_us = status == MUSTER_OK ? read_time(reply) : 0;
    mu_redis_time_saw(question->fence->options.time, question->after_us / 1000,
                      mu_clock_boottime_ms());
    question->parts--;
    finish(question, &question->answer);
}

/* TIME, as a part of `question`. */
static bool send_time(struct question *question, mu_link_reply_cb callback) {
    if (mu_link_command_now(question->fence->options.link, 1, (const char *const[]){"TIME"}, NULL,
                            callback, question) != MUSTER_OK) {
        return false;
    }
    question->parts++;
    return true;
}

static bool ask_write(struct mu_fence *fence, bool timed, const char *operation, size_t count,
                      const char *const *arguments, mu_fence_answer_cb callback, void *context,
                      struct mu_note note) {
    assert(count <= ARGUMENTS_MAX);
    if (!mu_fence_active(fence) || !mu_link_is_open(fence->options.link) ||
        !mu_lease_may_act(fence->options.lease, mu_clock_boottime_ms())) {
        return false;
    }
    const char *on_stack[ON_STACK + 1];
    const char **all = count > ON_STACK ? mu_calloc(count + 1, sizeof *all) : on_stack;
    all[0] = fence->epoch;
    for (size_t i = 0; i < count; i++) {
        all[i + 1] = arguments[i];
    }
    struct question *question = ask(fence, context, note);
    question->on_answer = callback;
    question->sent_us = mu_clock_monotonic_us();
    question->timed = timed;
    question->slice = timed ? slice_of(operation) : MU_SLICES;
    bool bracketed = timed && send_time(question, on_before);
    bool sent = mu_call_now(fence->options.link, fence->options.name_space, operation, count + 1,
                            all, on_answer, question) == MUSTER_OK;
    if (all != on_stack) {
        free(all);
    }
    if (sent && bracketed) {
        /* Without room for it the way there and back has to do. */
        (void)send_time(question, on_after);
    }
    if (!sent && --question->parts == 0) {
        done(question);
    }
    return sent;
}

bool mu_fence_write(struct mu_fence *fence, const char *operation, size_t count,
                    const char *const *arguments, mu_fence_answer_cb callback, void *context,
                    struct mu_note note) {
    return ask_write(fence, false, operation, count, arguments, callback, context, note);
}

bool mu_fence_write_timed(struct mu_fence *fence, const char *operation, size_t count,
                          const char *const *arguments, mu_fence_answer_cb callback, void *context,
                          struct mu_note note) {
    return ask_write(fence, true, operation, count, arguments, callback, context, note);
}

static void on_read(void *context, enum muster_status status, const redisReply *reply,
                    const struct mu_error *error) {
    struct question *question = context;
    (void)error;
    if (current(question)) {
        question->on_reply(question->context, question->note, status == MUSTER_OK ? reply : NULL);
    }
    done(question);
}

bool mu_fence_read(struct mu_fence *fence, size_t count, const char *const *arguments,
                   mu_fence_reply_cb callback, void *context, struct mu_note note) {
    if (!mu_fence_active(fence)) {
        return false;
    }
    struct question *question = ask(fence, context, note);
    question->on_reply = callback;
    if (mu_link_command_now(fence->options.link, count, arguments, NULL, on_read, question) ==
        MUSTER_OK) {
        return true;
    }
    done(question);
    return false;
}
