/* read_redis.c - one frame from Redis itself: the state, but neither rates nor latencies. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "base/alloc.h"
#include "each_instance.h"
#include "lease.h"
#include "top/top.h"

#define GHOSTS_AT_ONCE 64

static void copy(char *out, size_t size, const char *text, size_t length) {
    snprintf(out, size, "%.*s", (int)(length < size ? length : size - 1), text);
}

static void read_lease(struct mu_ctl *ctl, struct mu_top_frame *frame) {
    struct mu_ctl_lease lease;
    const char *wrong = NULL;
    mu_send(ctl, "GET {%s}:coordinator", ctl->name_space);
    mu_send(ctl, "PTTL {%s}:coordinator", ctl->name_space);
    redisReply *holder = mu_receive(ctl);
    redisReply *ttl = mu_receive(ctl);
    if (mu_reply_is_text(holder) &&
        mu_ctl_lease_parse(holder->str, (size_t)holder->len, &lease, &wrong)) {
        copy(frame->holder, sizeof frame->holder, lease.id, lease.id_length);
        copy(frame->address, sizeof frame->address, lease.address, lease.address_length);
        frame->lease_ms = mu_reply_number(ttl, -1);
    }
    freeReplyObject(holder);
    freeReplyObject(ttl);
}

static void read_counts(struct mu_ctl *ctl, struct mu_top_frame *frame) {
    const char *ns = ctl->name_space;
    mu_send(ctl, "GET {%s}:epoch", ns);
    mu_send(ctl, "HLEN {%s}:daemons", ns);
    mu_send(ctl, "EXISTS {%s}:brake", ns);
    mu_send(ctl, "ZCARD {%s}:sessions", ns);
    mu_send(ctl, "SCARD {%s}:leaderless", ns);
    mu_send(ctl, "ZCARD {%s}:ghosts", ns);
    frame->epoch = mu_receive_number(ctl);
    frame->daemons = mu_receive_number(ctl);
    frame->brake = mu_receive_number(ctl) != 0;
    frame->sessions = mu_receive_number(ctl);
    frame->leaderless = mu_receive_number(ctl);
    frame->ghosts = mu_receive_number(ctl);
}

static void read_ghosts(struct mu_ctl *ctl, struct mu_top_frame *frame) {
    redisReply *ghosts =
        mu_ask(ctl, "ZRANGE {%s}:ghosts 0 %d", ctl->name_space, GHOSTS_AT_ONCE - 1);
    size_t count = mu_reply_count(ghosts);
    frame->ghost_connections = 0;
    for (size_t i = 0; i < count; i++) {
        const redisReply *name = ghosts->element[i];
        mu_send(ctl, "HLEN {%s}:ghosts:%b", ctl->name_space, name->str, (size_t)name->len);
    }
    for (size_t i = 0; i < count; i++) {
        int64_t fields = mu_receive_number(ctl);
        frame->ghost_connections += fields > 0 ? fields - 1 : 0; /* without #reason */
    }
    freeReplyObject(ghosts);
}

struct reading {
    struct mu_top_frame *frame;
    size_t room; /* of its rows */
    int64_t now;
};

static void read_row(void *context, const struct mu_instance_look *look) {
    struct reading *reading = context;
    struct mu_top_frame *frame = reading->frame;
    const redisReply *fields = look->fields;
    if (!mu_reply_is_text(mu_reply_at(fields, 0))) {
        return; /* it has gone meanwhile */
    }
    if (frame->row_count == reading->room) {
        reading->room = reading->room == 0 ? 64 : 2 * reading->room;
        frame->rows = mu_realloc(frame->rows, reading->room * sizeof *frame->rows);
    }
    struct mu_top_row *row = &frame->rows[frame->row_count++];
    int64_t started = mu_reply_number(mu_reply_at(fields, 3), -1);
    memset(row, 0, sizeof *row);
    copy(row->instance, sizeof row->instance, look->id->str, (size_t)look->id->len);
    copy(row->incarnation, sizeof row->incarnation, mu_reply_text(mu_reply_at(fields, 0)),
         strlen(mu_reply_text(mu_reply_at(fields, 0))));
    row->suspect = strcmp(mu_reply_text(mu_reply_at(fields, 1)), "up") != 0;
    row->draining = strcmp(mu_reply_text(mu_reply_at(fields, 2)), "1") == 0;
    row->heartbeat_ms = reading->now > look->heartbeat ? reading->now - look->heartbeat : 0;
    row->running_ms = started < 0 ? -1 : reading->now > started ? reading->now - started : 0;
    row->connections = look->connections;
    row->leads = look->leads;
    frame->up += !row->suspect;
    frame->suspect += row->suspect;
    frame->draining += row->draining;
    frame->connections += look->connections;
}

static void read_instances(struct mu_ctl *ctl, struct mu_top_frame *frame) {
    struct reading reading = {.frame = frame, .now = mu_ask_now(ctl)};
    mu_each_instance(ctl, read_row, &reading);
}

enum mu_ctl_exit mu_top_read_redis(struct mu_ctl *ctl, struct mu_top_frame *frame) {
    read_lease(ctl, frame);
    read_counts(ctl, frame);
    read_ghosts(ctl, frame);
    read_instances(ctl, frame);
    return ctl->lost ? MU_CTL_UNREACHABLE : MU_CTL_FINE;
}
