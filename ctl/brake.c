/* brake.c - `musterctl brake`: does it hold, since when. Exit status 1: it does. Letting it go is
 * an order (order.c). */
#include <jansson.h>
#include <stdio.h>

#include "ask.h"
#include "ctl.h"
#include "json_out.h"
#include "via/door.h"

static void print(const struct mu_ctl *ctl, const redisReply *held) {
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
        printf("%s%s\n", held != NULL ? "the brake holds: " : "the brake does not hold",
               held != NULL ? held->str : "");
    }
}

/* A door says only whether. */
static enum mu_ctl_exit look_through(struct mu_via *via) {
    struct mu_buffer answer;
    mu_buffer_init(&answer, 0);
    enum mu_ctl_exit status = mu_via_ask(via, "STATUS", 0, NULL, &answer);
    if (status == MU_CTL_FINE) {
        json_t *json = json_loadb(answer.data, answer.length, JSON_DECODE_INT_AS_REAL, NULL);
        bool holds = json_is_true(json_object_get(json, "brake"));
        printf(via->ctl->options->json ? "{\"brake\":%s}\n" : "the brake %s\n",
               via->ctl->options->json ? (holds ? "true" : "false")
                                       : (holds ? "holds" : "does not hold"));
        status = holds ? MU_CTL_NO : MU_CTL_FINE;
        json_decref(json);
    }
    mu_buffer_deinit(&answer);
    return status;
}

enum mu_ctl_exit mu_ctl_brake(struct mu_ctl *ctl, struct mu_via *via) {
    if (ctl->options->argument != NULL) {
        return mu_ctl_order(ctl, via);
    }
    if (via != NULL) {
        return look_through(via);
    }
    redisReply *reply = mu_ask(ctl, "GET {%s}:brake", ctl->name_space);
    bool holds = mu_reply_is_text(reply);
    if (!ctl->lost) {
        print(ctl, holds ? reply : NULL);
    }
    freeReplyObject(reply);
    return ctl->lost ? MU_CTL_UNREACHABLE : holds ? MU_CTL_NO : MU_CTL_FINE;
}
