/* read.c - one frame, as a door tells it: STATUS, INSTANCES and, where that is allowed, METRICS. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "top/top.h"

void mu_top_frame_deinit(struct mu_top_frame *frame) {
    free(frame->rows);
    mu_samples_destroy(&frame->samples);
    *frame = (struct mu_top_frame){0};
}

static int64_t number_of(const json_t *object, const char *name) {
    const json_t *number = json_object_get(object, name);
    double value = json_is_number(number) ? json_number_value(number) : -1;
    return value >= 0 && value < 9e15 ? (int64_t)value : -1;
}

static void copy_text(char *out, size_t size, const json_t *object, const char *name) {
    const char *text = json_string_value(json_object_get(object, name));
    snprintf(out, size, "%s", text != NULL ? text : "");
}

/* NULL: said on stderr, or an answer that cannot be read. */
static json_t *ask(struct mu_via *via, const char *operation, enum mu_ctl_exit *status) {
    struct mu_buffer answer;
    json_t *json = NULL;
    mu_buffer_init(&answer, 0);
    *status = mu_via_ask(via, operation, 0, NULL, &answer);
    if (*status == MU_CTL_FINE) {
        json = json_loadb(answer.data, answer.length,
                          JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL, NULL);
        if (json == NULL) {
            *status = mu_via_say(MU_CTL_NO, "the answer cannot be read");
        }
    }
    mu_buffer_deinit(&answer);
    return json;
}

static void take_status(struct mu_top_frame *frame, const json_t *json, int64_t *redis_ms) {
    const json_t *holder = json_object_get(json, "coordinator");
    const json_t *daemons = json_object_get(json, "daemons");
    const json_t *instances = json_object_get(json, "instances");
    const json_t *daemon = NULL;
    size_t i = 0;
    copy_text(frame->holder, sizeof frame->holder, holder, "id");
    copy_text(frame->address, sizeof frame->address, holder, "address");
    frame->epoch = number_of(json, "epoch");
    frame->daemons = (int64_t)json_array_size(daemons);
    frame->brake = json_is_true(json_object_get(json, "brake"));
    frame->up = number_of(instances, "up");
    frame->suspect = number_of(instances, "suspect");
    frame->draining = number_of(instances, "draining");
    frame->sessions = number_of(json, "sessions");
    frame->connections = number_of(json, "connections");
    frame->ghosts = number_of(json, "ghosts");
    json_array_foreach(daemons, i, daemon) { /* each says when it did, by Redis's clock */
        int64_t at = number_of(daemon, "at");
        *redis_ms = at > *redis_ms ? at : *redis_ms;
    }
}

static int64_t since(int64_t now, int64_t then) {
    if (now <= 0 || then < 0) {
        return -1;
    }
    return now > then ? now - then : 0;
}

static void take_instances(struct mu_top_frame *frame, const json_t *json, int64_t redis_ms) {
    const json_t *one = NULL;
    size_t i = 0;
    frame->rows = mu_calloc(json_array_size(json) + 1, sizeof *frame->rows);
    json_array_foreach(json, i, one) {
        struct mu_top_row *row = &frame->rows[frame->row_count++];
        const char *state = json_string_value(json_object_get(one, "state"));
        copy_text(row->instance, sizeof row->instance, one, "instance");
        copy_text(row->incarnation, sizeof row->incarnation, one, "incarnation");
        row->suspect = state != NULL && strcmp(state, "up") != 0;
        row->draining = json_is_true(json_object_get(one, "draining"));
        row->connections = number_of(one, "connections");
        row->leads = number_of(one, "leads");
        row->heartbeat_ms = since(redis_ms, number_of(one, "last_heartbeat"));
        row->running_ms = since(redis_ms, number_of(one, "started_at"));
    }
}

/* What only the coordinator counts is 0 at the others: then it is not known. */
static void take_samples(struct mu_top_frame *frame, int64_t *redis_ms) {
    double time = mu_samples_sum(frame->samples, "muster_redis_time_seconds", NULL);
    if (time > 0) {
        *redis_ms = (int64_t)(time * 1000);
    }
    if (mu_samples_sum(frame->samples, "muster_coordinator_active", NULL) == 1) {
        frame->leaderless =
            (int64_t)mu_samples_sum(frame->samples, "muster_sessions_leaderless", NULL);
        frame->ghost_connections =
            (int64_t)mu_samples_sum(frame->samples, "muster_ghost_connections", NULL);
    }
}

static enum mu_ctl_exit read_door(struct mu_via *via, struct mu_top_frame *frame) {
    enum mu_ctl_exit status = MU_CTL_FINE;
    struct mu_buffer text;
    int64_t redis_ms = 0;
    json_t *json = ask(via, "STATUS", &status);
    if (json != NULL) {
        take_status(frame, json, &redis_ms);
        json_decref(json);
    }
    mu_buffer_init(&text, 0);
    if (status == MU_CTL_FINE && via->kind == MU_VIA_RESP) {
        status = mu_via_ask(via, "METRICS", 0, NULL, &text);
        if (status == MU_CTL_FINE) {
            frame->samples = mu_samples_parse(text.data, text.length);
            take_samples(frame, &redis_ms);
        } else if (status == MU_CTL_NO) {
            status = MU_CTL_FINE; /* it is said; the rest is worth seeing */
        }
    }
    mu_buffer_deinit(&text);
    json = status == MU_CTL_FINE ? ask(via, "INSTANCES", &status) : NULL;
    if (json != NULL) {
        take_instances(frame, json, redis_ms);
        json_decref(json);
    }
    return status;
}

enum mu_ctl_exit mu_top_read(struct mu_ctl *ctl, struct mu_via *via, struct mu_top_frame *frame) {
    *frame = (struct mu_top_frame){.leaderless = -1, .ghost_connections = -1, .lease_ms = -1};
    enum mu_ctl_exit status = via != NULL ? read_door(via, frame) : mu_top_read_redis(ctl, frame);
    frame->at_ms = mu_clock_boottime_ms();
    frame->clock_ms = mu_clock_realtime_ms();
    return status;
}
