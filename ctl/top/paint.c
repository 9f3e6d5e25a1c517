/* paint.c - a frame as lines of text for a terminal of any width. Pure. */
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "table.h"
#include "top/top.h"

#define CELL 24       /* a label and a number; two columns between cells */
#define CELL_LABEL 14 /* of it */
#define WIDE_CELL 37  /* a label and two times */
#define WIDE_LABEL 18
#define NUMBER_SIZE 24
#define TEXT_SIZE 512
#define NAME_WIDTH_MAX 40
#define FOR_RATES 17
#define FOR_LATENCIES 24
#define ROOMY 36       /* from so many lines on there are blank ones between the parts */
#define FULL_WIDTH 100 /* from here on the table has every column */

enum colour { PLAIN, DIM, BOLD, ALARM, BAR };

struct painter {
    struct mu_buffer *out;
    const struct mu_top_canvas *canvas;
    size_t used;  /* columns of the present line */
    size_t lines; /* that are complete */
};

/* ---- lines ---- */

static void colour(struct painter *self, enum colour which) {
    static const char *const codes[] = {
        [PLAIN] = "\x1b[0m",    [DIM] = "\x1b[2m", [BOLD] = "\x1b[1m",
        [ALARM] = "\x1b[1;31m", [BAR] = "\x1b[7m",
    };
    if (self->canvas->colour) {
        mu_must(mu_buffer_append_text(self->out, codes[which]));
    }
}

static void put(struct painter *self, enum colour which, const char *format, ...) MU_PRINTF(3, 4);
/* Every byte is one column: ids and our own words are ASCII, others are made so. */
static void put(struct painter *self, enum colour which, const char *format, ...) {
    char text[TEXT_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    size_t room = self->canvas->columns - self->used;
    size_t length = strlen(text) < room ? strlen(text) : room;
    for (size_t i = 0; i < length; i++) {
        text[i] = (char)(text[i] >= 0x20 && text[i] < 0x7f ? text[i] : '?');
    }
    colour(self, which);
    mu_must(mu_buffer_append(self->out, text, length));
    if (which != PLAIN) {
        colour(self, PLAIN);
    }
    self->used += length;
}

static void end_line(struct painter *self) {
    mu_must(mu_buffer_append_text(self->out, "\n"));
    self->used = 0;
    self->lines++;
}

static void section(struct painter *self, const char *title) {
    if (self->canvas->lines == 0 || self->canvas->lines >= ROOMY) {
        end_line(self);
    }
    put(self, BOLD, "%s", title);
    end_line(self);
}

/* The next cell, on the next line when this one is full. */
static void cell(struct painter *self, bool wide, const char *label, const char *value,
                 bool alarm) {
    size_t width = wide ? WIDE_CELL : CELL;
    int label_width = wide ? WIDE_LABEL : CELL_LABEL;
    int value_width = (int)width - label_width;
    if (self->used > 0 && self->used + 2 + width > self->canvas->columns) {
        end_line(self);
    } else if (self->used > 0) {
        put(self, PLAIN, "  ");
    }
    put(self, DIM, "%-*.*s", label_width, label_width, label);
    put(self, alarm ? ALARM : PLAIN, "%*.*s", value_width, value_width, value);
}

/* ---- numbers ---- */

static const char *count_text(char out[NUMBER_SIZE], int64_t value) {
    if (value < 0) {
        snprintf(out, NUMBER_SIZE, "-");
    } else if (value < 1000000) {
        snprintf(out, NUMBER_SIZE, "%" PRId64, value);
    } else {
        snprintf(out, NUMBER_SIZE, "%.2fM", (double)value / 1e6);
    }
    return out;
}

static const char *rate_text(char out[NUMBER_SIZE], double value) {
    if (isnan(value)) {
        snprintf(out, NUMBER_SIZE, "-");
    } else if (value >= 100 || value == 0) {
        snprintf(out, NUMBER_SIZE, "%.0f", value);
    } else {
        snprintf(out, NUMBER_SIZE, value >= 0.1 ? "%.1f" : "%.2f", value);
    }
    return out;
}

static const char *seconds_text(char out[NUMBER_SIZE], double value) {
    if (isnan(value)) {
        snprintf(out, NUMBER_SIZE, "-");
    } else if (value < 0.01) {
        snprintf(out, NUMBER_SIZE, "%.2fms", value * 1e3);
    } else if (value < 1) {
        snprintf(out, NUMBER_SIZE, "%.0fms", value * 1e3);
    } else {
        snprintf(out, NUMBER_SIZE, "%.1fs", value);
    }
    return out;
}

/* ---- parts ---- */

static void count_cell(struct painter *self, const char *label, int64_t value, bool alarm) {
    char text[NUMBER_SIZE];
    cell(self, false, label, count_text(text, value), alarm && value > 0);
}

static void paint_head(struct painter *self, const struct mu_top_frame *now) {
    char clock[16] = "";
    char left[TEXT_SIZE];
    if (now != NULL) {
        time_t seconds = (time_t)(now->clock_ms / 1000);
        struct tm local;
        strftime(clock, sizeof clock, "%H:%M:%S", localtime_r(&seconds, &local));
    }
    size_t room = self->canvas->columns > sizeof clock ? self->canvas->columns - sizeof clock : 1;
    snprintf(left, sizeof left, "musterctl top  %s", self->canvas->title);
    put(self, BAR, "%-*.*s%*s", (int)room, (int)room, left, (int)sizeof clock, clock);
    end_line(self);
    if (self->canvas->trouble[0] != '\0') {
        put(self, ALARM, "%s", self->canvas->trouble);
        end_line(self);
    }
}

static void paint_cluster(struct painter *self, const struct mu_top_frame *now) {
    char age[MU_AGE_SIZE];
    put(self, DIM, "coordinator   ");
    if (now->holder[0] == '\0') {
        put(self, ALARM, "NONE: nobody detects dead instances");
    } else {
        put(self, PLAIN, "%s%s%s", now->holder, now->address[0] != '\0' ? " at " : "",
            now->address);
    }
    end_line(self);
    put(self, DIM, "epoch         ");
    put(self, PLAIN, "%" PRId64, now->epoch);
    if (now->lease_ms >= 0) {
        put(self, PLAIN, ", lease for %s more", mu_age(age, now->lease_ms));
    }
    end_line(self);
    cell(self, false, "brake", now->brake ? "ENGAGED" : "released", now->brake);
    count_cell(self, "daemons", now->daemons, false);
    count_cell(self, "instances up", now->up, false);
    count_cell(self, "suspect", now->suspect, true);
    count_cell(self, "draining", now->draining, false);
    count_cell(self, "connections", now->connections, false);
    count_cell(self, "sessions", now->sessions, false);
    count_cell(self, "leaderless", now->leaderless, true);
    count_cell(self, "ghosts", now->ghosts, true);
    count_cell(self, "ghosts hold", now->ghost_connections, true);
    end_line(self);
}

/* A series that grows, by the second; NAN when there is none, or no earlier frame. */
static double rate(const struct mu_top_frame *now, const struct mu_top_frame *before,
                   const char *name, const char *label) {
    if (before == NULL || before->samples == NULL || now->at_ms <= before->at_ms) {
        return NAN;
    }
    double grown =
        mu_samples_sum(now->samples, name, label) - mu_samples_sum(before->samples, name, label);
    return grown < 0 ? NAN /* the daemon was restarted, or is another one */
                     : grown * 1000 / (double)(now->at_ms - before->at_ms);
}

static void paint_rates(struct painter *self, const struct mu_top_frame *now,
                        const struct mu_top_frame *before) {
    static const struct {
        const char *label, *name, *part;
        bool alarm;
    } rows[] = {
        {"requests", "muster_requests_total", NULL, false},
        {"enter", "muster_requests_total", "operation=\"ENTER\"", false},
        {"leave", "muster_requests_total", "operation=\"LEAVE\"", false},
        {"heartbeats", "muster_heartbeats_total", NULL, false},
        {"door resp", "muster_plugin_requests_total", "plugin=\"transport_resp\"", false},
        {"door pubsub", "muster_plugin_requests_total", "plugin=\"transport_pubsub\"", false},
        {"events", "muster_redis_messages_total", NULL, false},
        {"pushes", "muster_plugin_transport_resp_pushes_total", NULL, false},
        {"overloaded", "muster_replies_total", "status=\"OVERLOADED\"", true},
        {"unavailable", "muster_replies_total", "status=\"UNAVAILABLE\"", true},
        {"timeouts", "muster_replies_total", "status=\"TIMEOUT\"", true},
        {"denied", "muster_replies_total", "status=\"DENIED\"", false},
        {"leaders moved", "muster_leaders_moved_total", NULL, false},
        {"suspected", "muster_instances_suspected_total", NULL, true},
        {"buried", "muster_instances_buried_total", NULL, true},
        {"reaped", "muster_reaped_connections_total", NULL, false},
    };
    char text[NUMBER_SIZE];
    section(self, "a second, at this daemon");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        double value = rate(now, before, rows[i].name, rows[i].part);
        cell(self, false, rows[i].label, rate_text(text, value), rows[i].alarm && value > 0);
    }
    end_line(self);
}

static void paint_latencies(struct painter *self, const struct mu_top_frame *now,
                            const struct mu_top_frame *before) {
    static const struct {
        const char *label, *name;
    } rows[] = {
        {"requests", "muster_request_seconds"},
        {"decisions", "muster_auth_answer_seconds"},
        {"redis", "muster_redis_round_trip_seconds"},
        {"messages", "muster_redis_message_seconds"},
        {"lease renewal", "muster_lease_renewal_seconds"},
        {"loop late", "muster_loop_late_seconds"},
        {"slices", "muster_slice_seconds"},
        {"leaders moved", "muster_leaders_move_seconds"},
    };
    section(self, "p50 and p99");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char half[NUMBER_SIZE];
        char most[NUMBER_SIZE];
        char text[2 * NUMBER_SIZE];
        const struct mu_samples *old = before != NULL ? before->samples : NULL;
        double p50 = old != NULL ? mu_samples_quantile(now->samples, old, rows[i].name, 0.5) : NAN;
        double p99 = old != NULL ? mu_samples_quantile(now->samples, old, rows[i].name, 0.99) : NAN;
        snprintf(text, sizeof text, "%s  %8s", seconds_text(half, p50), seconds_text(most, p99));
        cell(self, true, rows[i].label, text, p99 > 1);
    }
    end_line(self);
}

/* ---- instances ---- */

/* Who is not well first, then who holds most. */
static int compare(const void *left, const void *right) {
    const struct mu_top_row *a = left;
    const struct mu_top_row *b = right;
    if (a->suspect != b->suspect) {
        return a->suspect ? -1 : 1;
    }
    if (a->draining != b->draining) {
        return a->draining ? -1 : 1;
    }
    if (a->connections != b->connections) {
        return a->connections > b->connections ? -1 : 1;
    }
    return strcmp(a->instance, b->instance);
}

static void paint_row(struct painter *self, const struct mu_top_row *row, int name_width) {
    char heartbeat[MU_AGE_SIZE];
    char running[MU_AGE_SIZE];
    char connections[NUMBER_SIZE];
    char leads[NUMBER_SIZE];
    put(self, PLAIN, "%-*.*s  ", name_width, name_width, row->instance);
    put(self, row->suspect ? ALARM : PLAIN, "%-7s", row->suspect ? "suspect" : "up");
    put(self, PLAIN, " %-8s", row->draining ? "draining" : "");
    put(self, PLAIN, "%11s%13s%7s", mu_age(heartbeat, row->heartbeat_ms),
        count_text(connections, row->connections), count_text(leads, row->leads));
    if (self->canvas->columns >= FULL_WIDTH) {
        put(self, PLAIN, "%10s  %s", mu_age(running, row->running_ms), row->incarnation);
    }
    end_line(self);
}

static void paint_instances(struct painter *self, struct mu_top_frame *now) {
    size_t lines = self->canvas->lines;
    size_t name_width = strlen("INSTANCE");
    size_t shown = now->row_count;
    if (now->row_count > 1) {
        qsort(now->rows, now->row_count, sizeof *now->rows, compare);
    }
    for (size_t i = 0; i < now->row_count; i++) {
        size_t length = strlen(now->rows[i].instance);
        name_width = length > name_width ? length : name_width;
    }
    size_t most = self->canvas->columns >= FULL_WIDTH ? NAME_WIDTH_MAX : NAME_WIDTH_MAX / 2;
    name_width = name_width < most ? name_width : most;
    if (lines == 0 || lines >= ROOMY) {
        end_line(self);
    }
    put(self, BOLD, "%-*s  %-7s %-8s%11s%13s%7s", (int)name_width, "INSTANCE", "STATE", "",
        "HEARTBEAT", "CONNECTIONS", "LEADS");
    if (self->canvas->columns >= FULL_WIDTH) {
        put(self, BOLD, "%10s  %s", "RUNNING", "INCARNATION");
    }
    end_line(self);
    if (lines > 0 && self->lines + shown > lines) { /* the last line says how many are missing */
        shown = lines > self->lines + 1 ? lines - self->lines - 1 : 0;
    }
    for (size_t i = 0; i < shown; i++) {
        paint_row(self, &now->rows[i], (int)name_width);
    }
    if (shown < now->row_count) {
        put(self, DIM, "... and %zu more", now->row_count - shown);
        end_line(self);
    }
}

void mu_top_paint(struct mu_buffer *out, const struct mu_top_canvas *canvas,
                  struct mu_top_frame *now, const struct mu_top_frame *before) {
    struct painter self = {.out = out, .canvas = canvas};
    paint_head(&self, now);
    if (now == NULL) {
        return;
    }
    paint_cluster(&self, now);
    /* On a low terminal the instances come first. */
    size_t lines = canvas->lines > 0 ? canvas->lines : SIZE_MAX;
    if (now->samples != NULL && lines >= FOR_RATES) {
        paint_rates(&self, now, before);
    }
    if (now->samples != NULL && lines >= FOR_LATENCIES) {
        paint_latencies(&self, now, before);
    }
    if (now->samples == NULL) {
        put(&self, DIM,
            "rates and latencies come from METRICS of a daemon: --door, and the right admin");
        end_line(&self);
    }
    paint_instances(&self, now);
}
