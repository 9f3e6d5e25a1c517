/* drain.c - `musterctl drain INSTANCE` and `undrain`: empties an instance, and waits for it.
 *
 * The way: the instance's incarnation is looked up - DRAIN on, with rate and notice - with --wait
 * it is looked at again and again, and what changed is shown, until nothing is left there.
 *
 * Ways to fail, with exit status 1: no such instance; connections that did not move though all were
 * told and the notice has passed twice; --timeout; an instance that ended, or does not drain any
 * more. The drain itself goes on, also after Ctrl-C: it is not ours but the coordinator's.
 *
 * While it waits, SIGINT and SIGTERM are blocked and taken by the pause between two looks.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "ctl.h"
#include "drain_ask.h"
#include "json_out.h"
#include "table.h"

#define LOOK_MS 250
#define SHOW_MS 1000 /* lines that do not replace the one before */

struct drain {
    struct mu_ctl *ctl;
    struct mu_via *via; /* NULL: Redis itself */
    const char *instance;
    char incarnation[MU_ID_SIZE];
    struct mu_drain_state now;
    int64_t total;     /* connections at the beginning */
    uint64_t began_at; /* boottime ms, as all of these */
    uint64_t shown_at;
    uint64_t told_twice_at; /* when that was seen; 0: not yet */
    char shown[200];
    bool rewrites; /* one line, on a terminal */
    sigset_t signals;
};

static const char *plural(int64_t number) {
    return number == 1 ? "" : "s";
}

static int64_t seconds(const struct drain *drain) {
    return (int64_t)((mu_clock_boottime_ms() - drain->began_at) / 1000);
}

/* ---- what is shown ---- */

static void show_json(const struct drain *drain, const char *ended) {
    struct mu_buffer out;
    mu_buffer_init(&out, 0);
    mu_json_open(&out, NULL, '{');
    mu_json_string(&out, "instance", drain->instance);
    mu_json_number(&out, "leads", drain->now.leads);
    mu_json_number(&out, "told", drain->now.told);
    mu_json_number(&out, "rounds", drain->now.rounds);
    mu_json_number(&out, "total", drain->total);
    mu_json_number(&out, "connections", drain->now.connections);
    mu_json_number(&out, "seconds", seconds(drain));
    if (ended != NULL) {
        mu_json_string(&out, "ended", ended);
    }
    mu_json_close(&out, '}');
    mu_json_print(&out, stdout);
    fflush(stdout);
    mu_buffer_deinit(&out);
}

static void describe(const struct drain *drain, char *text, size_t size) {
    const struct mu_drain_state *now = &drain->now;
    if (now->rate == 0) {
        snprintf(text, size, "%" PRId64 " leadership%s left, %" PRId64 " connection%s", now->leads,
                 plural(now->leads), now->connections, plural(now->connections));
        return;
    }
    char told[64] = "all told twice";
    if (now->rounds == 0) {
        snprintf(told, sizeof told, "%" PRId64 " of %" PRId64 " told", now->told, drain->total);
    } else if (now->rounds == 1) {
        snprintf(told, sizeof told, "all told");
    }
    snprintf(text, size, "%" PRId64 " leadership%s left, %s, %" PRId64 " connection%s left",
             now->leads, plural(now->leads), told, now->connections, plural(now->connections));
}

static void show(struct drain *drain) {
    uint64_t now = mu_clock_boottime_ms();
    char text[sizeof drain->shown];
    describe(drain, text, sizeof text);
    bool changed = strcmp(text, drain->shown) != 0;
    bool due = drain->shown[0] == '\0' || now - drain->shown_at >= SHOW_MS;
    if (drain->rewrites) {
        printf("\r%s: %s, %" PRId64 " s\033[K", drain->instance, text, seconds(drain));
        fflush(stdout);
    } else if (changed && due) {
        memcpy(drain->shown, text, sizeof text);
        drain->shown_at = now;
        if (drain->ctl->options->json) {
            show_json(drain, NULL);
        } else {
            printf("%s: %s, %" PRId64 " s\n", drain->instance, text, seconds(drain));
            fflush(stdout);
        }
    }
}

/* The last word. `ended` is the word of it for programs. */
static enum mu_ctl_exit finish(const struct drain *drain, enum mu_ctl_exit status,
                               const char *ended, const char *sentence) {
    if (drain->rewrites) {
        printf("\n");
    }
    if (drain->ctl->options->json) {
        show_json(drain, ended);
    }
    if (!drain->ctl->options->json || status != MU_CTL_FINE) {
        fflush(stdout);
        fprintf(status == MU_CTL_FINE ? stdout : stderr, "%s%s\n",
                status == MU_CTL_FINE ? "" : "musterctl: ", sentence);
    }
    return status;
}

/* ---- waiting ---- */

/* What is said when it did not empty. */
static enum mu_ctl_exit not_moved(const struct drain *drain, const char *ended, const char *why,
                                  bool goes_on) {
    char text[600];
    int64_t left = drain->now.connections;
    snprintf(text, sizeof text, "%s: %" PRId64 " connection%s of %" PRId64 " did not move%s%s%s",
             why, left, plural(left), drain->total,
             goes_on ? "; it still drains, `musterctl undrain " : "",
             goes_on ? drain->instance : "", goes_on ? "` ends that" : "");
    return finish(drain, MU_CTL_NO, ended, text);
}

/* Did it end? Then *status. */
static bool judge(struct drain *drain, enum mu_ctl_exit *status) {
    const struct mu_drain_state *now = &drain->now;
    uint64_t at = mu_clock_boottime_ms();
    bool paced = drain->ctl->options->rate > 0;
    char text[300];
    if (strcmp(now->incarnation, drain->incarnation) != 0) {
        *status = not_moved(drain, "restarted", "the instance was started anew meanwhile", false);
    } else if (!now->draining) {
        *status = not_moved(drain, "undrained", "it does not drain any more", false);
    } else if (now->connections == 0 || (!paced && now->leads == 0)) {
        snprintf(text, sizeof text, "%s: %s, %" PRId64 " s", drain->instance,
                 now->connections == 0 ? "no connection is left" : "it leads nothing any more",
                 seconds(drain));
        *status =
            finish(drain, MU_CTL_FINE, now->connections == 0 ? "empty" : "leads-nothing", text);
    } else if (paced && now->rate == 0) {
        *status =
            not_moved(drain, "unpaced", "its connections are not told to move any more", true);
    } else if (drain->told_twice_at != 0 && at - drain->told_twice_at >= (uint64_t)now->notice) {
        *status = not_moved(drain, "stayed", "all were told twice, and the notice is over", true);
    } else if (at - drain->began_at >= drain->ctl->options->wait_ms) {
        *status = not_moved(drain, "timeout", "the time of --timeout is over", true);
    } else {
        drain->told_twice_at = now->rounds < 2             ? 0
                               : drain->told_twice_at != 0 ? drain->told_twice_at
                                                           : at;
        return false;
    }
    return true;
}

/* True: somebody wants us to end. */
static bool pause_or_signal(const struct drain *drain) {
    struct timespec pause = {.tv_nsec = LOOK_MS * 1000000L};
    return sigtimedwait(&drain->signals, NULL, &pause) > 0;
}

static enum mu_ctl_exit wait_for_it(struct drain *drain) {
    enum mu_ctl_exit status = MU_CTL_FINE;
    while (true) {
        struct mu_drain_state before = drain->now;
        status = mu_drain_look(drain->ctl, drain->via, drain->instance, &drain->now);
        if (status != MU_CTL_FINE) {
            drain->now = before;
            return status == MU_CTL_NO
                       ? not_moved(drain, "gone", "the instance ended meanwhile", false)
                       : finish(drain, status, "lost",
                                "it still drains; the same command again waits for it");
        }
        show(drain);
        if (judge(drain, &status)) {
            return status;
        }
        if (pause_or_signal(drain)) {
            return not_moved(drain, "interrupted", "interrupted", true);
        }
    }
}

/* ---- the command ---- */

static void write_options(const struct mu_ctl_options *options, char *text, size_t size) {
    if (options->rate == 0) {
        snprintf(text, size, "{}");
    } else if (options->notice_ms == 0) {
        snprintf(text, size, "{\"rate\":%" PRIu64 "}", options->rate);
    } else {
        snprintf(text, size, "{\"rate\":%" PRIu64 ",\"notice\":%" PRIu64 "}", options->rate,
                 options->notice_ms);
    }
}

static void say_done(const struct drain *drain, bool off, struct mu_buffer *answer) {
    const struct mu_ctl_options *options = drain->ctl->options;
    if (options->json) {
        mu_json_print(answer, stdout);
    } else if (off) {
        printf("%s does not drain any more\n", drain->instance);
    } else {
        printf("%s drains: %" PRId64 " leadership%s and %" PRId64
               " connection%s; `musterctl undrain %s` "
               "ends that\n",
               drain->instance, drain->now.leads, plural(drain->now.leads), drain->total,
               plural(drain->total), drain->instance);
    }
}

static enum mu_ctl_exit run(struct drain *drain) {
    const struct mu_ctl_options *options = drain->ctl->options;
    bool off = options->off || strcmp(options->command, "undrain") == 0;
    struct mu_buffer answer;
    char text[80];
    enum mu_ctl_exit status = mu_drain_look(drain->ctl, drain->via, drain->instance, &drain->now);
    if (status != MU_CTL_FINE) {
        return status;
    }
    memcpy(drain->incarnation, drain->now.incarnation, sizeof drain->incarnation);
    drain->total = drain->now.connections;
    write_options(options, text, sizeof text);
    mu_buffer_init(&answer, 0);
    status = mu_drain_order(drain->ctl, drain->via, drain->instance, drain->incarnation,
                            off ? NULL : text, &answer);
    if (status == MU_CTL_FINE && options->wait) {
        status = wait_for_it(drain);
    } else if (status == MU_CTL_FINE) {
        say_done(drain, off, &answer);
    }
    mu_buffer_deinit(&answer);
    return status;
}

enum mu_ctl_exit mu_ctl_drain(struct mu_ctl *ctl, struct mu_via *via) {
    struct drain drain = {
        .ctl = ctl,
        .via = via,
        .instance = ctl->options->argument,
        .began_at = mu_clock_boottime_ms(),
        .rewrites = !ctl->options->json && isatty(STDOUT_FILENO) == 1,
    };
    if (!mu_id_valid(drain.instance, strlen(drain.instance))) {
        return mu_via_say(
            MU_CTL_USAGE,
            "the name of an instance has 1 to 128 bytes of A-Z a-z 0-9 . _ ~ @ | + = -");
    }
    sigemptyset(&drain.signals);
    sigaddset(&drain.signals, SIGINT);
    sigaddset(&drain.signals, SIGTERM);
    if (ctl->options->wait) {
        sigprocmask(SIG_BLOCK, &drain.signals, NULL);
    }
    return run(&drain);
}
