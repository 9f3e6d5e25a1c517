#include "drain_ask.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "ask.h"
#include "table.h"

static int64_t number_of(const json_t *object, const char *name) {
    double number = json_number_value(json_object_get(object, name));
    return number > 0 && number < 9e15 ? (int64_t)number : 0;
}

static enum mu_ctl_exit look_through(struct mu_via *via, const char *instance,
                                     struct mu_drain_state *state) {
    struct mu_buffer answer;
    mu_buffer_init(&answer, 0);
    enum mu_ctl_exit status = mu_via_ask(via, "INSTANCE", 1, &instance, &answer);
    /* As real numbers, so that no large one in a meta makes it unreadable. */
    json_t *object =
        status == MU_CTL_FINE
            ? json_loadb(answer.data, answer.length, JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL, NULL)
            : NULL;
    const char *incarnation = json_string_value(json_object_get(object, "incarnation"));
    const json_t *drain = json_object_get(object, "drain");
    if (incarnation != NULL) {
        snprintf(state->incarnation, sizeof state->incarnation, "%s", incarnation);
        state->draining = json_is_true(json_object_get(object, "draining"));
        state->connections = number_of(object, "connections");
        state->leads = number_of(object, "leads");
        state->rate = number_of(drain, "rate");
        state->notice = number_of(drain, "notice");
        state->told = number_of(drain, "told");
        state->rounds = number_of(drain, "rounds");
    } else if (status == MU_CTL_FINE) {
        status = mu_via_say(MU_CTL_NO, "the door answers what cannot be read");
    }
    json_decref(object);
    mu_buffer_deinit(&answer);
    return status;
}

static enum mu_ctl_exit look_at_redis(struct mu_ctl *ctl, const char *instance,
                                      struct mu_drain_state *state) {
    const char *ns = ctl->name_space;
    mu_send(ctl,
            "HMGET {%s}:instance:%s incarnation draining drain_rate drain_notice drain_told "
            "drain_rounds",
            ns, instance);
    mu_send(ctl, "HLEN {%s}:instance:%s:connections", ns, instance);
    mu_send(ctl, "SCARD {%s}:instance:%s:leads", ns, instance);
    redisReply *fields = mu_receive(ctl);
    redisReply *connections = mu_receive(ctl);
    redisReply *leads = mu_receive(ctl);
    enum mu_ctl_exit status = ctl->lost ? MU_CTL_UNREACHABLE : MU_CTL_FINE;
    const char *incarnation = mu_reply_text(mu_reply_at(fields, 0));
    if (status == MU_CTL_FINE && incarnation[0] == '\0') {
        fprintf(stderr, "musterctl: UNKNOWN_INSTANCE: instance '%s' is not registered\n", instance);
        status = MU_CTL_NO;
    } else if (status == MU_CTL_FINE) {
        snprintf(state->incarnation, sizeof state->incarnation, "%s", incarnation);
        state->draining = strcmp(mu_reply_text(mu_reply_at(fields, 1)), "1") == 0;
        state->rate = mu_reply_number(mu_reply_at(fields, 2), 0);
        state->notice = mu_reply_number(mu_reply_at(fields, 3), 0);
        state->told = mu_reply_number(mu_reply_at(fields, 4), 0);
        state->rounds = mu_reply_number(mu_reply_at(fields, 5), 0);
        state->connections = mu_reply_number(connections, 0);
        state->leads = mu_reply_number(leads, 0);
    }
    freeReplyObject(fields);
    freeReplyObject(connections);
    freeReplyObject(leads);
    return status;
}

enum mu_ctl_exit mu_drain_look(struct mu_ctl *ctl, struct mu_via *via, const char *instance,
                               struct mu_drain_state *state) {
    *state = (struct mu_drain_state){0};
    return via != NULL ? look_through(via, instance, state) : look_at_redis(ctl, instance, state);
}

enum mu_ctl_exit mu_drain_order(struct mu_ctl *ctl, struct mu_via *via, const char *instance,
                                const char *incarnation, const char *options,
                                struct mu_buffer *answer) {
    const char *arguments[] = {instance, incarnation, options != NULL ? "on" : "off", options};
    size_t count = options != NULL ? 4 : 3;
    if (via != NULL) {
        return mu_via_ask(via, "DRAIN", count, arguments, answer);
    }
    redisReply *reply = options != NULL ? mu_ask(ctl, "FCALL muster_drain 1 {%s} %s %s on %s",
                                                 ctl->name_space, instance, incarnation, options)
                                        : mu_ask(ctl, "FCALL muster_drain 1 {%s} %s %s off",
                                                 ctl->name_space, instance, incarnation);
    enum mu_ctl_exit status = ctl->lost ? MU_CTL_UNREACHABLE : MU_CTL_NO;
    if (mu_reply_is_text(reply)) {
        mu_must(mu_buffer_append(answer, reply->str, (size_t)reply->len));
        status = MU_CTL_FINE;
    } else if (!ctl->lost) {
        const char *text = reply != NULL && reply->type == REDIS_REPLY_ERROR ? reply->str : "";
        int length = (int)strcspn(text, " ");
        fprintf(stderr, "musterctl: %.*s:%s\n", length, text, text + length);
    }
    freeReplyObject(reply);
    return status;
}
