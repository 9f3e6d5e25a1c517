#include "top/top.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "reach.h"
#include "table.h"
#include "terminal.h"
#include "top/screen.h"

#define INTERVAL_MS 2000
#define INTERVAL_MIN_MS 100
#define TITLE_SIZE 320
#define TROUBLE_SIZE 256

struct top {
    struct mu_ctl *ctl;
    struct mu_via *via; /* NULL: Redis itself */
    uint64_t interval_ms;
    char title[TITLE_SIZE];
    char trouble[TROUBLE_SIZE];
    struct mu_top_frame frames[2]; /* the newest first */
    size_t count;                  /* of them that are filled */
};

/* Another way there, when the present one broke off. */
static enum mu_ctl_exit reconnect(struct top *self) {
    struct mu_ctl *ctl = self->ctl;
    if (self->via != NULL) {
        enum mu_via_kind kind = self->via->kind;
        mu_via_close(self->via);
        return mu_via_open(self->via, ctl, kind, NULL, false);
    }
    if (ctl->redis != NULL) {
        redisFree(ctl->redis);
        ctl->redis = NULL;
    }
    struct mu_error error = {0};
    ctl->redis = mu_ctl_connect(ctl, "musterctl", &error);
    ctl->lost = ctl->redis == NULL;
    if (ctl->lost) {
        fprintf(stderr, "musterctl: Redis at %s cannot be used: %s\n", ctl->where, error.text);
        return MU_CTL_UNREACHABLE;
    }
    return MU_CTL_FINE;
}

/* A new frame before the others. */
static enum mu_ctl_exit look(struct top *self) {
    struct mu_top_frame frame = {0};
    enum mu_ctl_exit status = mu_top_read(self->ctl, self->via, &frame);
    if (status != MU_CTL_FINE) {
        mu_top_frame_deinit(&frame);
        return status;
    }
    mu_top_frame_deinit(&self->frames[1]);
    self->frames[1] = self->frames[0];
    self->frames[0] = frame;
    self->count += self->count < 2 ? 1 : 0;
    return status;
}

static void paint(struct top *self, struct mu_buffer *out, bool colour) {
    struct mu_top_canvas canvas = {
        .colour = colour, .title = self->title, .trouble = self->trouble};
    mu_terminal_size(&canvas.columns, &canvas.lines);
    mu_top_paint(out, &canvas, self->count > 0 ? &self->frames[0] : NULL,
                 self->count > 1 ? &self->frames[1] : NULL);
}

static void run(struct top *self, struct mu_screen *screen) {
    const char *no_color = getenv("NO_COLOR");
    bool colour = no_color == NULL || no_color[0] == '\0';
    enum mu_screen_event event = MU_SCREEN_TIME;
    struct mu_buffer out;
    enum mu_ctl_exit status = MU_CTL_FINE;
    uint64_t next_at = mu_clock_boottime_ms();
    mu_buffer_init(&out, 0);
    while (event != MU_SCREEN_QUIT) {
        uint64_t now = mu_clock_boottime_ms();
        if (now >= next_at) {
            status = status != MU_CTL_FINE ? reconnect(self) : status;
            status = status == MU_CTL_FINE ? look(self) : status;
            mu_screen_trouble(screen, self->trouble, sizeof self->trouble);
            next_at = mu_clock_boottime_ms() + self->interval_ms;
        }
        mu_buffer_clear(&out);
        paint(self, &out, colour);
        mu_screen_show(screen, &out);
        now = mu_clock_boottime_ms();
        event = mu_screen_wait(screen, next_at > now ? next_at - now : 0);
    }
    mu_buffer_deinit(&out);
}

/* Two frames, for the rates; one is shown. */
static enum mu_ctl_exit once(struct top *self) {
    struct mu_buffer out;
    enum mu_ctl_exit status = look(self);
    if (status == MU_CTL_FINE && self->frames[0].samples != NULL) {
        struct timespec pause = {.tv_sec = (time_t)(self->interval_ms / 1000),
                                 .tv_nsec = (long)(self->interval_ms % 1000) * 1000000};
        nanosleep(&pause, NULL);
        status = look(self);
    }
    if (status == MU_CTL_FINE) {
        mu_buffer_init(&out, 0);
        paint(self, &out, false);
        fwrite(out.data, 1, out.length, stdout);
        mu_buffer_deinit(&out);
    }
    return status;
}

enum mu_ctl_exit mu_ctl_top(struct mu_ctl *ctl, struct mu_via *via) {
    const struct mu_ctl_options *options = ctl->options;
    struct top self = {.ctl = ctl,
                       .via = via,
                       .interval_ms =
                           options->interval_ms > 0 ? options->interval_ms : INTERVAL_MS};
    enum mu_ctl_exit status = MU_CTL_FINE;
    self.interval_ms = self.interval_ms < INTERVAL_MIN_MS ? INTERVAL_MIN_MS : self.interval_ms;
    bool door = via != NULL && via->kind == MU_VIA_RESP;
    snprintf(self.title, sizeof self.title, "%s, %s%s", ctl->name_space,
             via == NULL ? "Redis at "
             : door      ? "door "
                         : "pub/sub",
             via == NULL ? ctl->where
             : door      ? ctl->door
                         : "");
    if (options->once) {
        status = once(&self);
    } else {
        struct mu_screen *screen = mu_screen_open();
        if (screen == NULL) {
            status = mu_via_say(MU_CTL_USAGE,
                                "top fills a terminal, and this is none; --once prints one frame");
        } else {
            run(&self, screen);
            mu_screen_close(&screen);
        }
    }
    mu_top_frame_deinit(&self.frames[0]);
    mu_top_frame_deinit(&self.frames[1]);
    return status;
}
