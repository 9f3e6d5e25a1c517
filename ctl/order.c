/* order.c - what an operator wants done now: bury, reap, brake release, step-down, flush-decisions.
 *
 * The happy path: what is to happen is said and confirmed at the terminal (--yes: not asked) - the
 * order goes through a door, which puts the caller's name to it, or to Redis itself with the name
 * of who runs this program - where a daemon has to act, it is looked at until it did.
 *
 * Ways to fail, each said on stderr: nobody at the terminal to be asked (usage); refused; not done
 * within --timeout (status 1; the order is repeated each second meanwhile).
 */
#include <inttypes.h>
#include <jansson.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ask.h"
#include "base/clock.h"
#include "base/ids.h"
#include "drain_ask.h"
#include "json_out.h"
#include "lease.h"
#include "table.h"

#define WAIT_MS 5000 /* at Redis, where --timeout does not count */
#define AGAIN_MS 1000
#define LOOK_US 20000

struct order {
    struct mu_ctl *ctl;
    struct mu_via *via; /* NULL: Redis itself */
    const char *name;
    const char *arguments[2];
    size_t count;
    char incarnation[MU_ID_SIZE];
    json_t *answer; /* owned */
};

/* How things stand, as far as orders change them. */
struct state {
    bool brake;
    char coordinator[MU_ID_SIZE];
    uint64_t epoch; /* of the lease, or above; 0: nobody holds it */
};

/* ---- may it be? ---- */

static enum mu_ctl_exit confirm(const struct order *order, const char *sentence) {
    char line[16] = "";
    if (order->ctl->options->yes) {
        return MU_CTL_FINE;
    }
    if (isatty(STDIN_FILENO) != 1) {
        return mu_via_say(MU_CTL_USAGE, "there is no terminal to ask at; say --yes if it is meant");
    }
    fprintf(stderr, "%s\nType yes to go on: ", sentence);
    if (fgets(line, sizeof line, stdin) == NULL || strcmp(line, "yes\n") != 0) {
        return mu_via_say(MU_CTL_NO, "nothing was done");
    }
    return MU_CTL_FINE;
}

/* ---- giving it ---- */

static void sign(char *out, size_t size) {
    char host[128] = "";
    char texts[4096];
    struct passwd record;
    struct passwd *user = NULL;
    (void)getpwuid_r(geteuid(), &record, texts, sizeof texts, &user); /* unknown: NULL */
    gethostname(host, sizeof host - 1);
    snprintf(out, size, "%.128s at %s, musterctl", user != NULL ? user->pw_name : "somebody", host);
}

static enum mu_ctl_exit ask_redis(const struct order *order, struct mu_buffer *answer) {
    char by[320];
    const char *ns = order->ctl->name_space;
    redisReply *reply = NULL;
    sign(by, sizeof by);
    if (order->count == 0) {
        reply = mu_ask(order->ctl, "FCALL muster_order 1 {%s} %s %s", ns, by, order->name);
    } else if (order->count == 1) {
        reply = mu_ask(order->ctl, "FCALL muster_order 1 {%s} %s %s %s", ns, by, order->name,
                       order->arguments[0]);
    } else {
        reply = mu_ask(order->ctl, "FCALL muster_order 1 {%s} %s %s %s %s", ns, by, order->name,
                       order->arguments[0], order->arguments[1]);
    }
    enum mu_ctl_exit status = order->ctl->lost ? MU_CTL_UNREACHABLE : MU_CTL_NO;
    if (mu_reply_is_text(reply)) {
        mu_must(mu_buffer_append(answer, reply->str, (size_t)reply->len));
        status = MU_CTL_FINE;
    } else if (!order->ctl->lost) {
        const char *text = reply != NULL && reply->type == REDIS_REPLY_ERROR ? reply->str : "";
        int length = (int)strcspn(text, " ");
        fprintf(stderr, "musterctl: %.*s:%s\n", length, text, text + length);
    }
    freeReplyObject(reply);
    return status;
}

static enum mu_ctl_exit give(struct order *order) {
    const char *words[3] = {order->name, order->arguments[0], order->arguments[1]};
    struct mu_buffer answer;
    mu_buffer_init(&answer, 0);
    enum mu_ctl_exit status =
        order->via != NULL ? mu_via_ask(order->via, "ORDER", order->count + 1, words, &answer)
                           : ask_redis(order, &answer);
    json_decref(order->answer);
    order->answer =
        status == MU_CTL_FINE ? json_loadb(answer.data, answer.length, 0, NULL) : json_null();
    if (order->answer == NULL) {
        order->answer = json_null();
        status = mu_via_say(MU_CTL_NO, "the answer cannot be read");
    }
    mu_buffer_deinit(&answer);
    return status;
}

/* ---- what came of it ---- */

static enum mu_ctl_exit look_through(const struct order *order, struct state *state) {
    struct mu_buffer answer;
    mu_buffer_init(&answer, 0);
    enum mu_ctl_exit status = mu_via_ask(order->via, "STATUS", 0, NULL, &answer);
    json_t *json = status == MU_CTL_FINE
                       ? json_loadb(answer.data, answer.length, JSON_DECODE_INT_AS_REAL, NULL)
                       : NULL;
    const char *id = json_string_value(json_object_get(json_object_get(json, "coordinator"), "id"));
    double epoch = json_number_value(json_object_get(json, "epoch"));
    state->brake = json_is_true(json_object_get(json, "brake"));
    if (id != NULL && epoch > 0 && epoch < 9e15) {
        snprintf(state->coordinator, sizeof state->coordinator, "%s", id);
        state->epoch = (uint64_t)epoch;
    }
    json_decref(json);
    mu_buffer_deinit(&answer);
    return status;
}

static enum mu_ctl_exit look_at_redis(const struct order *order, struct state *state) {
    struct mu_ctl_lease lease;
    const char *wrong = NULL;
    redisReply *brake = mu_ask(order->ctl, "GET {%s}:brake", order->ctl->name_space);
    redisReply *holder = mu_ask(order->ctl, "GET {%s}:coordinator", order->ctl->name_space);
    state->brake = mu_reply_is_text(brake);
    if (mu_reply_is_text(holder) &&
        mu_ctl_lease_parse(holder->str, (size_t)holder->len, &lease, &wrong)) {
        snprintf(state->coordinator, sizeof state->coordinator, "%.*s", (int)lease.id_length,
                 lease.id);
        state->epoch = lease.epoch;
    }
    freeReplyObject(brake);
    freeReplyObject(holder);
    return order->ctl->lost ? MU_CTL_UNREACHABLE : MU_CTL_FINE;
}

static enum mu_ctl_exit look(const struct order *order, struct state *state) {
    *state = (struct state){0};
    return order->via != NULL ? look_through(order, state) : look_at_redis(order, state);
}

static int64_t number(const struct order *order, const char *name) {
    return (int64_t)json_integer_value(json_object_get(order->answer, name));
}

static bool is_done(const struct order *order, const struct state *state, uint64_t epoch) {
    return strcmp(order->name, "brake-release") == 0
               ? !state->brake
               : state->coordinator[0] != '\0' && state->epoch > epoch;
}

/* Until a daemon did it. */
static enum mu_ctl_exit await(struct order *order, struct state *state, bool *done) {
    uint64_t epoch = (uint64_t)number(order, "epoch");
    uint64_t now = mu_clock_boottime_ms();
    uint64_t until = now + (order->via != NULL ? order->ctl->options->timeout_ms : WAIT_MS);
    uint64_t again = now + AGAIN_MS;
    enum mu_ctl_exit status = look(order, state);
    while (status == MU_CTL_FINE && !(*done = is_done(order, state, epoch)) && now < until) {
        usleep(LOOK_US);
        now = mu_clock_boottime_ms();
        if (now >= again && strcmp(order->name, "brake-release") == 0) {
            again = now + AGAIN_MS; /* nobody may have heard it */
            status = give(order);
        }
        status = status == MU_CTL_FINE ? look(order, state) : status;
    }
    return status;
}

static enum mu_ctl_exit say(const struct order *order, bool done, const char *sentence) {
    if (order->ctl->options->json) {
        char *text = json_dumps(order->answer, JSON_COMPACT);
        struct mu_buffer out;
        mu_buffer_init(&out, 0);
        mu_json_open(&out, NULL, '{');
        mu_json_bool(&out, "done", done);
        mu_json_raw(&out, "answer", text, strlen(text));
        mu_json_close(&out, '}');
        mu_json_print(&out, stdout);
        mu_buffer_deinit(&out);
        free(text);
    } else {
        fprintf(done ? stdout : stderr, "%s%s\n", done ? "" : "musterctl: ", sentence);
    }
    return done ? MU_CTL_FINE : MU_CTL_NO;
}

/* ---- the orders ---- */

static enum mu_ctl_exit bury(struct order *order) {
    const char *instance = order->ctl->options->argument;
    struct mu_drain_state state;
    char text[512];
    enum mu_ctl_exit status = mu_drain_look(order->ctl, order->via, instance, &state);
    if (status != MU_CTL_FINE) {
        return status;
    }
    snprintf(text, sizeof text,
             "%s (incarnation %s) is buried: its %" PRId64 " connections leave, its %" PRId64
             " leaderships move.",
             instance, state.incarnation, state.connections, state.leads);
    status = confirm(order, text);
    if (status != MU_CTL_FINE) {
        return status;
    }
    memcpy(order->incarnation, state.incarnation, sizeof order->incarnation);
    order->arguments[0] = instance;
    order->arguments[1] = order->incarnation;
    order->count = 2;
    status = give(order);
    snprintf(text, sizeof text, "%s:%s is buried: %" PRId64 " connections, %" PRId64 " leaderships",
             instance, order->incarnation, number(order, "connections"), number(order, "leads"));
    return status == MU_CTL_FINE ? say(order, true, text) : status;
}

static enum mu_ctl_exit reap(struct order *order) {
    char text[512];
    const char *instance = order->ctl->options->argument;
    snprintf(text, sizeof text,
             "What %s left behind is removed now: members that wait for their instance to come "
             "back leave.",
             instance != NULL ? instance : "every buried instance");
    enum mu_ctl_exit status = confirm(order, text);
    order->arguments[0] = instance;
    order->count = instance != NULL ? 1 : 0;
    int64_t ghosts = 0;
    do {
        status = status == MU_CTL_FINE ? give(order) : status;
        ghosts += status == MU_CTL_FINE ? number(order, "ghosts") : 0;
    } while (status == MU_CTL_FINE && instance == NULL &&
             json_is_true(json_object_get(order->answer, "more")));
    snprintf(text, sizeof text, "%" PRId64 " ghost%s need%s not wait any more", ghosts,
             ghosts == 1 ? "" : "s", ghosts == 1 ? "s" : "");
    return status == MU_CTL_FINE ? say(order, true, text) : status;
}

static enum mu_ctl_exit brake_release(struct order *order) {
    struct state state = {0};
    bool done = false;
    enum mu_ctl_exit status =
        confirm(order, "The brake is let go: silent instances may be suspected and buried.");
    status = status == MU_CTL_FINE ? give(order) : status;
    if (status == MU_CTL_FINE && !json_is_true(json_object_get(order->answer, "engaged"))) {
        return say(order, true, "the brake does not hold");
    }
    status = status == MU_CTL_FINE ? await(order, &state, &done) : status;
    return status != MU_CTL_FINE
               ? status
               : say(order, done, done ? "released" : "no coordinator released the brake");
}

static enum mu_ctl_exit step_down(struct order *order) {
    struct state state = {0};
    bool done = false;
    char text[512];
    const char *daemon = order->ctl->options->argument;
    snprintf(text, sizeof text, "%s gives up coordinating, and another daemon takes over.",
             daemon != NULL ? daemon : "The coordinator");
    enum mu_ctl_exit status = confirm(order, text);
    order->arguments[0] = daemon;
    order->count = daemon != NULL ? 1 : 0;
    status = status == MU_CTL_FINE ? give(order) : status;
    if (status == MU_CTL_FINE && !json_is_true(json_object_get(order->answer, "told"))) {
        snprintf(text, sizeof text, "%s does not coordinate, but %s", daemon != NULL ? daemon : "",
                 json_string_value(json_object_get(order->answer, "coordinator")));
        return say(order, true, text);
    }
    status = status == MU_CTL_FINE ? await(order, &state, &done) : status;
    snprintf(text, sizeof text, done ? "%s coordinates now" : "nobody else took over yet",
             state.coordinator);
    return status == MU_CTL_FINE ? say(order, done, text) : status;
}

static enum mu_ctl_exit flush(struct order *order) {
    char text[64];
    enum mu_ctl_exit status =
        confirm(order, "Every daemon asks its authorizers anew about everything.");
    status = status == MU_CTL_FINE ? give(order) : status;
    int64_t daemons = status == MU_CTL_FINE ? number(order, "daemons") : 0;
    snprintf(text, sizeof text, "%" PRId64 " daemon%s told", daemons, daemons == 1 ? "" : "s");
    return status == MU_CTL_FINE ? say(order, daemons > 0, text) : status;
}

enum mu_ctl_exit mu_ctl_order(struct mu_ctl *ctl, struct mu_via *via) {
    static const struct {
        const char *command, *name;
        enum mu_ctl_exit (*run)(struct order *order);
    } orders[] = {
        {"bury", "bury", bury},
        {"reap", "reap", reap},
        {"brake", "brake-release", brake_release},
        {"step-down", "step-down", step_down},
        {"flush-decisions", "flush-decisions", flush},
        {"flush", "flush-decisions", flush},
    };
    struct order order = {.ctl = ctl, .via = via, .answer = json_null()};
    enum mu_ctl_exit status = MU_CTL_USAGE;
    for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++) {
        if (strcmp(orders[i].command, ctl->options->command) == 0) {
            order.name = orders[i].name;
            status = orders[i].run(&order);
            break;
        }
    }
    json_decref(order.answer);
    return status;
}
