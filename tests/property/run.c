/* run.c - one step at a time: the real library, the model, and everything compared.
 *
 * Per step: the clock is set; the call and a reading of the whole namespace go out in one piece and
 * both replies are read; the events are collected up to a mark. Then the model does the same call,
 * and reply, events, data and invariants are compared.
 */
#include "property/run.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/test.h"
#include "property/view.h"

#define BEGIN_MS INT64_C(1900000000000)

/* ---- the stage ---- */

void pm_stage_open(struct pm_stage *stage) {
    memset(stage, 0, sizeof *stage);
    stage->world = mt_world_create();
    const char *path = mt_world_path(stage->world, "clock");
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, sizeof *stage->clock_us), 0);
    void *page = mmap(NULL, sizeof *stage->clock_us, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_true(page != MAP_FAILED);
    close(fd);
    stage->clock_us = page;
    atomic_store(stage->clock_us, BEGIN_MS * 1000);

    /* Only for the server: it inherits them, this process and its later children do not. */
    setenv("MUSTER_TEST_CLOCK", path, 1);
    setenv("LD_PRELOAD", MUSTER_TEST_CLOCK_LIBRARY, 1);
    stage->server = mt_server_start(stage->world, "redis", MT_SERVER_VOLATILE, NULL);
    unsetenv("LD_PRELOAD");
    unsetenv("MUSTER_TEST_CLOCK");

    stage->redis = mt_server_connect(stage->server);
    stage->events = mt_events_open(stage->redis, true);
    snprintf(stage->view_sha, sizeof stage->view_sha, "%s",
             mt_text(stage->redis, "SCRIPT LOAD %s", pm_view_script));
    const redisReply *time = mt_command(stage->redis, "TIME");
    if (strtoll(time->element[0]->str, NULL, 10) != BEGIN_MS / 1000)
        mt_fail(stage->world, "redis-server does not follow the test's clock");
}

void pm_stage_close(struct pm_stage *stage) {
    mt_events_close(&stage->events);
    mt_redis_close(&stage->redis);
    mt_server_free(&stage->server);
    munmap((void *)stage->clock_us, sizeof *stage->clock_us);
    mt_world_destroy(&stage->world);
}

/* ---- a run ---- */

static void set_clock(struct pm_run *run, long long now_ms) {
    run->state.now = now_ms;
    if (now_ms > run->state.latest)
        run->state.latest = now_ms;
    atomic_store(run->stage->clock_us, now_ms * 1000);
}

void pm_run_begin(struct pm_run *run, struct pm_stage *stage, struct pm_coverage *coverage) {
    memset(run, 0, sizeof *run);
    run->stage = stage;
    run->coverage = coverage;
    run->texts = pm_texts_create();
    pm_state_init(&run->state, run->texts, BEGIN_MS);
    mt_redis_forget(stage->redis);
    mt_command(stage->redis, "FLUSHALL");
    set_clock(run, BEGIN_MS);
    mt_library_load(stage->redis);
    mt_events_skip(stage->events);
}

void pm_run_end(struct pm_run *run) {
    pm_older_forget(&run->older);
    pm_texts_free(&run->texts);
}

static void failed(struct pm_run *run, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void failed(struct pm_run *run, const char *format, ...) {
    size_t used = strlen(run->failure);
    va_list arguments;
    run->failed = true;
    va_start(arguments, format);
    vsnprintf(run->failure + used, sizeof run->failure - used, format, arguments);
    va_end(arguments);
}

static void append_call(redisContext *context, const struct pm_call *call) {
    const char *argv[PM_ARGUMENTS + 4] = {"FCALL", NULL, "1", "{" MT_NAMESPACE "}"};
    char function[40];
    snprintf(function, sizeof function, "muster_%s", call->function);
    argv[1] = function;
    for (size_t i = 0; i < call->count; i++)
        argv[i + 4] = call->arguments[i];
    redisAppendCommandArgv(context, (int)call->count + 4, argv, NULL);
}

static redisReply *next_reply(struct pm_run *run) {
    redisReply *reply = NULL;
    if (redisGetReply(mt_redis_context(run->stage->redis), (void **)&reply) != REDIS_OK)
        mt_fail(run->stage->world, "the connection to redis-server broke");
    return reply;
}

/* What the functions answered, as status and JSON; the text of an error goes to `error`. */
static enum muster_status take_reply(struct pm_run *run, struct pm_outcome *real, char *error,
                                     size_t size) {
    enum muster_status status = MUSTER_STATUS_COUNT;
    redisReply *reply = next_reply(run);
    if (reply->type == REDIS_REPLY_STRING) {
        real->reply = json_loadb(reply->str, (size_t)reply->len, JSON_REJECT_DUPLICATES, NULL);
        status = MUSTER_OK;
        if (real->reply == NULL)
            failed(run, "the reply is no JSON: %s\n", reply->str);
    } else if (reply->type == REDIS_REPLY_ERROR) {
        snprintf(error, size, "%s", reply->str);
        if (!muster_status_parse(reply->str, (size_t)reply->len, &status))
            failed(run, "an error without a code: %s\n", reply->str);
    } else {
        failed(run, "a reply of type %d\n", reply->type);
    }
    freeReplyObject(reply);
    return status;
}

static void take_events(struct pm_run *run, struct pm_outcome *real) {
    size_t count = mt_events_sync(run->stage->events);
    for (; run->events_seen < count; run->events_seen++) {
        const json_t *payload = mt_events_at(run->stage->events, run->events_seen);
        if (real->event_count == PM_EVENTS) {
            failed(run, "more than %d events\n", PM_EVENTS);
            return;
        }
        struct pm_event *event = &real->events[real->event_count++];
        snprintf(event->channel, sizeof event->channel, "%s",
                 mt_events_channel(run->stage->events, run->events_seen));
        event->payload = json_incref((json_t *)(uintptr_t)payload);
    }
}

/* ---- comparing ---- */

static void compare_status(struct pm_run *run, const struct pm_outcome *model,
                           enum muster_status status, const char *error) {
    bool fine = model->refusals == 0 ? status == MUSTER_OK : (model->refusals >> status & 1) != 0;
    if (fine)
        return;
    failed(run, "answered %s (%s), wanted", muster_status_code(status), error);
    if (model->refusals == 0)
        failed(run, " OK");
    for (int code = 0; code < MUSTER_STATUS_COUNT; code++)
        if (model->refusals >> code & 1)
            failed(run, " %s", muster_status_code((enum muster_status)code));
    failed(run, "\n");
}

static void print_json(struct pm_run *run, const char *what, const json_t *json) {
    char *text = json == NULL ? NULL : json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
    failed(run, "  %s: %s\n", what, text == NULL ? "nothing" : text);
    free(text);
}

static const struct pm_event *nth_on(const struct pm_outcome *outcome, const char *channel,
                                     size_t index) {
    for (size_t i = 0; i < outcome->event_count; i++)
        if (strcmp(outcome->events[i].channel, channel) == 0 && index-- == 0)
            return &outcome->events[i];
    return NULL;
}

/* The events of one channel, in order; nothing is said about the order between channels. */
static bool same_channel(struct pm_run *run, const struct pm_outcome *model,
                         const struct pm_outcome *real, const char *channel) {
    for (size_t index = 0;; index++) {
        const struct pm_event *wanted = nth_on(model, channel, index);
        const struct pm_event *got = nth_on(real, channel, index);
        if (wanted == NULL && got == NULL)
            return true;
        if (wanted != NULL && got != NULL && json_equal(wanted->payload, got->payload))
            continue;
        failed(run, "event %zu on %s differs\n", index, channel);
        print_json(run, "wanted", wanted == NULL ? NULL : wanted->payload);
        print_json(run, "got   ", got == NULL ? NULL : got->payload);
        return false;
    }
}

static void compare_events(struct pm_run *run, const struct pm_outcome *model,
                           const struct pm_outcome *real) {
    for (size_t i = 0; i < model->event_count; i++)
        if (!same_channel(run, model, real, model->events[i].channel))
            return;
    for (size_t i = 0; i < real->event_count; i++)
        if (!same_channel(run, model, real, real->events[i].channel))
            return;
}

static void check_history(struct pm_run *run, const struct pm_outcome *real) {
    char text[300];
    for (size_t i = 0; i < real->event_count && !run->failed; i++) {
        const struct pm_event *event = &real->events[i];
        if (!pm_history_follow(&run->history, event->payload, text, sizeof text))
            failed(run, "%s", text);
        if (run->coverage != NULL &&
            !pm_coverage_event(run->coverage, event->channel, event->payload))
            failed(run, "an event or a reason that nobody knows on %s\n", event->channel);
    }
}

static void remember_cursor(struct pm_run *run, const struct pm_call *call,
                            const struct pm_outcome *real) {
    const char *cursor = json_string_value(json_object_get(real->reply, "cursor"));
    if (cursor == NULL)
        return;
    pm_cursor_set(&run->cursors,
                  strcmp(call->function, "reap") == 0 ? call->arguments[1] : call->function,
                  cursor);
}

static void compare_data(struct pm_run *run, const struct pm_view *real) {
    char text[6000];
    struct pm_view wanted = {0};
    pm_view_of_model(&wanted, &run->state);
    if (pm_view_differs(&wanted, real, text, sizeof text))
        failed(run, "the data differs\n%s", text);
    pm_view_clear(&wanted);
}

/* A deadline may outlive the incarnation that it was for; only when all is done, none is left. */
static void drop_stale_deadlines(struct pm_run *run, struct pm_view *view) {
    size_t kept = 0;
    run->stale_deadlines = 0;
    for (size_t i = 0; i < view->count; i++) {
        char id[140];
        char incarnation[140];
        if (sscanf(view->lines[i], "deadlines %139[^/]/%139[^/]/", id, incarnation) == 2 &&
            !pm_live(&run->state, id, incarnation)) {
            run->stale_deadlines++;
            free(view->lines[i]);
            continue;
        }
        view->lines[kept++] = view->lines[i];
    }
    view->count = kept;
}

static void read_view(struct pm_run *run, struct pm_view *view) {
    redisReply *reply = next_reply(run);
    if (reply->type != REDIS_REPLY_ARRAY)
        mt_fail(run->stage->world, "reading the data: %s", reply->str);
    if (!pm_view_of_redis(view, reply, run->state.now))
        failed(run, "a record cannot be read\n");
    freeReplyObject(reply);
}

static void do_call(struct pm_run *run, const struct pm_step *step) {
    redisContext *context = mt_redis_context(run->stage->redis);
    struct pm_outcome *real = calloc(1, sizeof *real);
    struct pm_outcome *model = calloc(1, sizeof *model);
    struct pm_view view = {0};
    char error[400] = "";
    char illegal[400] = "";
    char text[400];
    assert_non_null(real);
    assert_non_null(model);

    const struct pm_call call = pm_step_resolve(step, &run->state, &run->cursors);
    append_call(context, &call);
    redisAppendCommand(context, "EVALSHA_RO %s 0", run->stage->view_sha);
    enum muster_status status = take_reply(run, real, error, sizeof error);
    read_view(run, &view);
    take_events(run, real);
    if (run->coverage != NULL && status != MUSTER_STATUS_COUNT)
        pm_coverage_call(run->coverage, status);

    const struct pm_seen seen = {real, view.lines, view.count, illegal, sizeof illegal};
    if (!run->failed)
        pm_apply(&run->state, &call, &seen, model);
    if (!run->failed)
        compare_status(run, model, status, error);
    if (illegal[0] != '\0')
        failed(run, "illegal slice: %s\n", illegal);
    if (!run->failed && status == MUSTER_OK && !json_equal(model->reply, real->reply)) {
        failed(run, "the reply differs\n");
        print_json(run, "wanted", model->reply);
        print_json(run, "got   ", real->reply);
    }
    if (!run->failed)
        compare_events(run, model, real);
    drop_stale_deadlines(run, &view);
    if (!run->failed)
        compare_data(run, &view);
    if (!run->failed)
        check_history(run, real);
    pm_history_close(&run->history, &run->state);
    if (!run->failed && !pm_invariants_hold(&run->state, false, text, sizeof text))
        failed(run, "%s", text);
    if (status == MUSTER_OK)
        remember_cursor(run, &call, real);
    pm_view_clear(&view);
    pm_outcome_clear(real);
    pm_outcome_clear(model);
    free(real);
    free(model);
}

static void check_settled(struct pm_run *run) {
    char text[400];
    if (!pm_invariants_hold(&run->state, true, text, sizeof text))
        failed(run, "%s", text);
    if (run->stale_deadlines > 0)
        failed(run, "invariant broken: 8: a deadline of a dead incarnation is left\n");
}

/* Time goes on while an older data set takes over: a second at least. */
static void return_older(struct pm_run *run) {
    set_clock(run, run->state.now + 1000);
    if (run->older.taken)
        pm_older_return(&run->older, run->stage->redis, &run->state);
}

/* What has expired by now is gone, in Redis and in the model: an earlier time, or a copy of the
 * data at an earlier time, must not bring it back in one of them. */
static void drop_expired(struct pm_run *run) {
    struct pm_state *state = &run->state;
    mt_integer(run->stage->redis, "EXISTS " MT_NS "coordinator");
    if (!pm_lease_stands(state))
        state->holder = NULL;
    for (size_t i = 0; i < state->instance_count; i++) {
        mt_integer(run->stage->redis, "EXISTS " MT_NS "instance:%s:alive", state->instances[i].id);
        if (state->instances[i].alive_until < state->now)
            state->instances[i].alive_until = 0;
    }
}

/* The server's clock is set back by its administrator. */
static void set_back(struct pm_run *run, long long ms) {
    drop_expired(run);
    set_clock(run, run->state.now - ms);
}

bool pm_run_step(struct pm_run *run, const struct pm_step *step) {
    set_clock(run, run->state.now + step->wait_ms);
    if (strcmp(step->function, "reload") == 0) {
        mt_library_load(run->stage->redis);
        run->state.confirmed = NULL;
    } else if (strcmp(step->function, "remember") == 0) {
        drop_expired(run);
        pm_older_take(&run->older, run->stage->redis, &run->state);
    } else if (strcmp(step->function, "return") == 0) {
        return_older(run);
    } else if (strcmp(step->function, "set-back") == 0) {
        set_back(run, step->count == 0 ? 0 : strtoll(step->arguments[0], NULL, 10));
    } else if (strcmp(step->function, "settled") == 0) {
        check_settled(run);
    } else if (!(strcmp(step->function, "confirm") == 0 && run->state.must_rotate)) {
        do_call(run, step);
    }
    run->done++;
    if (run->done % 256 == 0)
        mt_redis_forget(run->stage->redis);
    return !run->failed;
}

bool pm_run_all(struct pm_stage *stage, const struct pm_steps *steps, char *failure, size_t size,
                size_t *failed_at) {
    struct pm_run *run = calloc(1, sizeof *run);
    assert_non_null(run);
    pm_run_begin(run, stage, NULL);
    while (run->done < steps->count && pm_run_step(run, &steps->list[run->done]))
        continue;
    bool fine = !run->failed;
    snprintf(failure, size, "%s", run->failure);
    *failed_at = run->done;
    pm_run_end(run);
    free(run);
    return fine;
}
