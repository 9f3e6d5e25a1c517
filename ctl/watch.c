/* watch.c - events as they happen. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/ids.h"
#include "brief.h"
#include "event_text.h"
#include "feed.h"
#include "table.h"
#include "terminal.h"

#define TICK_MS 1000
#define CHANNEL_SIZE 320

struct watch {
    struct mu_ctl *ctl;
    struct mu_brief *brief; /* NULL: every event is a line */
    bool colour;
    bool up_before;
    uint64_t count;
};

static bool wants_colour(void) {
    const char *no_color = getenv("NO_COLOR"); /* https://no-color.org */
    return isatty(STDOUT_FILENO) && (no_color == NULL || no_color[0] == '\0');
}

static struct mu_feed *subscribe(struct mu_ctl *ctl) {
    const struct mu_ctl_options *options = ctl->options;
    struct mu_feed *feed = mu_feed_create(ctl, options->session_count == 0);
    char channel[CHANNEL_SIZE];
    if (options->session_count == 0) {
        snprintf(channel, sizeof channel, "{%s}:events:*", ctl->name_space);
        mu_feed_add(feed, channel);
    }
    for (size_t i = 0; i < options->session_count; i++) {
        snprintf(channel, sizeof channel, "{%s}:events:session:%s", ctl->name_space,
                 options->sessions[i]);
        mu_feed_add(feed, channel);
    }
    return feed;
}

static void print_event(const struct watch *watch, const char *channel, const char *payload,
                        size_t length, const json_t *event) {
    struct mu_buffer line;
    if (watch->ctl->options->json) {
        fwrite(payload, 1, length, stdout);
        putchar('\n');
        return;
    }
    mu_buffer_init(&line, 0);
    if (event != NULL) {
        mu_event_text(&line, event, watch->colour);
    } else { /* nothing that can be read; shown as it came */
        mu_append_safe(&line, channel, strlen(channel));
        mu_must(mu_buffer_append(&line, "  ", 2));
        mu_append_safe(&line, payload, length);
    }
    mu_print_line(line.data, line.length);
    mu_buffer_deinit(&line);
}

static void take(struct watch *watch, const struct mu_feed_item *item) {
    bool parse = !watch->ctl->options->json;
    json_t *event = parse ? json_loadb(item->payload, item->length, JSON_ALLOW_NUL, NULL) : NULL;
    watch->count++;
    if (watch->brief != NULL && json_is_object(event)) {
        mu_brief_event(watch->brief, event);
    } else {
        print_event(watch, item->channel, item->payload, item->length,
                    json_is_object(event) ? event : NULL);
    }
    json_decref(event);
}

static void say(struct watch *watch, const struct mu_feed_item *item) {
    const struct mu_ctl *ctl = watch->ctl;
    if (item->kind == MU_FEED_LOST) {
        fprintf(stderr, "musterctl: lost Redis at %s: %s; connecting again\n", ctl->where,
                item->why);
    } else if (watch->up_before) {
        fputs("musterctl: connected again; events in between were missed\n", stderr);
    } else {
        fprintf(stderr, "musterctl: watching namespace %s at %s\n", ctl->name_space, ctl->where);
        watch->up_before = true;
    }
}

static void run(struct watch *watch, struct mu_feed *feed) {
    const struct mu_ctl_options *options = watch->ctl->options;
    uint64_t now = mu_clock_boottime_ms();
    uint64_t end = options->for_ms > 0 ? now + options->for_ms : UINT64_MAX;
    uint64_t tick = watch->brief != NULL ? now + TICK_MS : UINT64_MAX;
    struct mu_feed_item item;
    for (;;) {
        /* What came in one batch is written in one batch: flushed only before it waits. */
        mu_feed_next(feed, 0, &item);
        if (item.kind == MU_FEED_QUIET) {
            if (fflush(stdout) != 0) {
                return;
            }
            mu_feed_next(feed, tick < end ? tick : end, &item);
        }
        if (item.kind == MU_FEED_MESSAGE) {
            take(watch, &item);
            if (options->count > 0 && watch->count >= options->count) {
                return;
            }
        } else if (item.kind != MU_FEED_QUIET) {
            say(watch, &item);
        }
        now = mu_clock_boottime_ms();
        if (now >= tick) {
            mu_brief_tick(watch->brief);
            tick = now + TICK_MS;
        }
        if (now >= end) {
            return;
        }
    }
}

enum mu_ctl_exit mu_ctl_watch(struct mu_ctl *ctl) {
    const struct mu_ctl_options *options = ctl->options;
    struct watch watch = {.ctl = ctl, .colour = wants_colour()};
    for (size_t i = 0; i < options->session_count; i++) {
        if (!mu_id_valid(options->sessions[i], strlen(options->sessions[i]))) {
            fprintf(stderr,
                    "musterctl: --session '%s' is no session: 1 to 128 bytes of "
                    "A-Z a-z 0-9 . _ ~ @ | + = -\n",
                    options->sessions[i]);
            return MU_CTL_USAGE;
        }
    }
    struct mu_feed *feed = subscribe(ctl);
    if (options->brief) {
        watch.brief = mu_brief_create(ctl, watch.colour);
    }
    run(&watch, feed);
    if (watch.brief != NULL) {
        mu_brief_tick(watch.brief);
    }
    mu_brief_destroy(&watch.brief);
    mu_feed_destroy(&feed);
    return MU_CTL_FINE;
}
