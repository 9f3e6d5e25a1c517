/* brake.c - `musterctl brake [release]`: does it hold, since when, and let it go.
 *
 * Release is a message to the coordinator; done when the key that it keeps is gone. Exit status 1:
 * the brake holds (still).
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ask.h"
#include "base/clock.h"
#include "ctl.h"
#include "json_out.h"

#define WAIT_MS 5000
#define LOOK_US 20000

/* The value of the key, for freeReplyObject(); NULL: it does not hold, or Redis is lost. */
static redisReply *look(struct mu_ctl *ctl) {
    redisReply *reply = mu_ask(ctl, "GET {%s}:brake", ctl->name_space);
    if (reply != NULL && !mu_reply_is_text(reply)) {
        freeReplyObject(reply);
        reply = NULL;
    }
    return reply;
}

static void print(const struct mu_ctl *ctl, const redisReply *held, const char *sentence) {
    if (ctl->options->json) {
        struct mu_buffer out;
        mu_buffer_init(&out, 0);
        mu_json_open(&out, NULL, '{');
        mu_json_bool(&out, "brake", held != NULL);
        if (held != NULL) {
            mu_json_raw(&out, "engaged", held->str, (size_t)held->len);
        }
        mu_json_close(&out, '}');
        mu_json_print(&out, stdout);
        mu_buffer_deinit(&out);
    } else {
        printf("%s%s%s\n", sentence, held != NULL ? " " : "", held != NULL ? held->str : "");
    }
}

/* Tells the coordinator and waits for the key to go. */
static redisReply *release(struct mu_ctl *ctl, redisReply *held) {
    uint64_t until = mu_clock_boottime_ms() + WAIT_MS;
    redisReply *told =
        mu_ask(ctl, "PUBLISH {%s}:signal %s", ctl->name_space, "{\"signal\":\"brake-release\"}");
    bool heard = mu_reply_number(told, 0) > 0;
    freeReplyObject(told);
    while (heard && held != NULL && mu_clock_boottime_ms() < until) {
        usleep(LOOK_US);
        freeReplyObject(held);
        held = look(ctl);
    }
    return held;
}

enum mu_ctl_exit mu_ctl_brake(struct mu_ctl *ctl) {
    redisReply *held = look(ctl);
    enum mu_ctl_exit status = MU_CTL_FINE;
    if (held == NULL && !ctl->lost) {
        print(ctl, NULL, "the brake does not hold");
    } else if (held != NULL && ctl->options->argument == NULL) {
        print(ctl, held, "the brake holds:");
        status = MU_CTL_NO;
    } else if (held != NULL) {
        held = release(ctl, held);
        if (!ctl->lost) {
            print(ctl, held, held != NULL ? "no coordinator released the brake:" : "released");
            status = held != NULL ? MU_CTL_NO : MU_CTL_FINE;
        }
    }
    freeReplyObject(held);
    return ctl->lost ? MU_CTL_UNREACHABLE : status;
}
