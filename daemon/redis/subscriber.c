#include "redis/subscriber.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "redis/command.h"
#include "redis/connection.h"

#define COMMAND_TIMEOUT_MS 5000
#define IDLE_TIMEOUT_MS 5000
#define NAMES_PER_COMMAND 256

/* So many messages that may wait, one after the other and within this time, are worth it. */
#define GATHER_FROM 20
#define GATHER_WITHIN_MS 100
#define GATHER_EMPTY_MAX 4 /* so many looks in a row that found nothing end it */

enum { OWN = 1, SHARED = 2 };

struct name {
    char *text;
    bool pattern;
    unsigned users; /* OWN, SHARED or both */
};

struct mu_subscriber {
    struct mu_subscriber_options options; /* what it points to is not used after create */
    struct mu_connection *connection;
    uv_timer_t timer;
    uv_timer_t gather;  /* running while messages are gathered */
    struct name *names; /* sorted */
    size_t count;
    size_t capacity;
    struct mu_buffer output; /* for the next turn */
    size_t unconfirmed;      /* of what was wanted when it connected */
    /* Marks: names wanted so far; confirmed of them; and wanted when it connected. */
    uint64_t wanted, confirmed, wanted_first;
    bool up;
    bool closing;
    bool pinged;          /* and nothing was heard since */
    bool late;            /* a deadline has passed, one more look at the socket is due */
    uint64_t heard;       /* CLOCK_MONOTONIC in ms */
    uint64_t started;     /* waiting for confirmations or a pong since then */
    char *patient;        /* the channel whose messages may wait; NULL: none */
    unsigned patient_run; /* its messages in a row, since `patient_since` */
    uint64_t patient_since;
    unsigned empty_looks; /* in a row */
    unsigned open_handles;
    void (*closed)(void *context);
    void *closed_context;
    struct mu_subscriber_counts counts; /* but for what is so now */
};

static uint64_t now_ms(void) {
    return mu_clock_monotonic_us() / 1000;
}

/* ---- the set of what is wanted ---- */

/* Where it is, or where it belongs. */
static size_t find(const struct mu_subscriber *self, const char *text, bool pattern, bool *found) {
    size_t low = 0;
    size_t high = self->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct name *name = &self->names[middle];
        int order = (int)name->pattern - (int)pattern;
        order = order ? order : strcmp(name->text, text);
        if (order == 0) {
            *found = true;
            return middle;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    *found = false;
    return low;
}

/* True when it was wanted by nobody before. */
static bool add(struct mu_subscriber *self, const char *text, bool pattern, unsigned user) {
    bool found = false;
    size_t at = find(self, text, pattern, &found);
    if (found) {
        self->names[at].users |= user;
        return false;
    }
    if (self->count == self->capacity) {
        self->capacity = self->capacity ? self->capacity * 2 : 16;
        self->names = mu_realloc(self->names, self->capacity * sizeof *self->names);
    }
    memmove(&self->names[at + 1], &self->names[at], (self->count - at) * sizeof *self->names);
    self->names[at] = (struct name){mu_strdup(text), pattern, user};
    self->count++;
    return true;
}

/* ---- gathering ---- */

static bool is_gathering(const struct mu_subscriber *self) {
    return uv_is_active((const uv_handle_t *)&self->gather) != 0;
}

static void end_gathering(struct mu_subscriber *self) {
    self->patient_run = 0;
    if (is_gathering(self)) {
        uv_timer_stop(&self->gather);
        mu_connection_hold(self->connection, false);
    }
}

static void look(uv_timer_t *timer) {
    struct mu_subscriber *self = timer->data;
    bool any = mu_connection_read(self->connection);
    self->empty_looks = any ? 0 : self->empty_looks + 1;
    if (self->empty_looks == GATHER_EMPTY_MAX) {
        end_gathering(self);
    }
}

static void begin_gathering(struct mu_subscriber *self) {
    self->empty_looks = 0;
    mu_connection_hold(self->connection, true);
    uv_timer_start(&self->gather, look, MU_SUBSCRIBER_WAIT_MS, MU_SUBSCRIBER_WAIT_MS);
}

/* A message came in on this channel; it was handed on already. */
static void weigh(struct mu_subscriber *self, const char *channel) {
    if (self->closing) {
        return;
    }
    if (self->patient == NULL || strcmp(channel, self->patient) != 0) {
        end_gathering(self);
        return;
    }
    if (self->patient_run == 0 || self->heard - self->patient_since > GATHER_WITHIN_MS) {
        self->patient_run = 0;
        self->patient_since = self->heard;
    }
    if (++self->patient_run == GATHER_FROM && !is_gathering(self)) {
        begin_gathering(self);
    }
}

/* ---- commands ---- */

static void issue(struct mu_subscriber *self, const char *command, const char *argument) {
    mu_command_append(&self->output, argument ? 2 : 1, (const char *const[]){command, argument});
    end_gathering(self); /* the answer is awaited */
    mu_connection_turn(self->connection);
}

static void subscribe_all(struct mu_subscriber *self, bool pattern) {
    const char *arguments[NAMES_PER_COMMAND + 1] = {pattern ? "PSUBSCRIBE" : "SUBSCRIBE"};
    size_t used = 1;
    for (size_t i = 0; i < self->count; i++) {
        if (self->names[i].pattern != pattern) {
            continue;
        }
        arguments[used++] = self->names[i].text;
        self->unconfirmed++;
        if (used == NAMES_PER_COMMAND + 1) {
            mu_command_append(&self->output, used, arguments);
            used = 1;
        }
    }
    if (used > 1) {
        mu_command_append(&self->output, used, arguments);
    }
}

/* ---- waiting ---- */

static void check_time(uv_timer_t *timer) {
    struct mu_subscriber *self = timer->data;
    uint64_t now = now_ms();
    uint64_t limit = self->options.command_timeout_ms;
    bool waiting = self->pinged || self->unconfirmed > 0;
    uint64_t next = limit;
    if (waiting && now - self->started >= limit) {
        if (self->late) {
            mu_connection_end(self->connection, "no answer in %llu ms", (unsigned long long)limit);
            return;
        }
        /* Timers run before the sockets are looked at: the answer may be there already. */
        self->late = true;
        next = MU_SUBSCRIBER_WAIT_MS + 1;
    } else if (waiting) {
        next = limit - (now - self->started);
    } else if (now - self->heard >= self->options.idle_timeout_ms) {
        self->pinged = true;
        self->started = now;
        issue(self, "PING", NULL);
    } else {
        next = self->options.idle_timeout_ms - (now - self->heard);
    }
    uint64_t most = self->options.idle_timeout_ms; /* an answer may come in the next moment */
    next = next > most ? most : next;
    uv_timer_start(timer, check_time, next > 0 ? next : 1, 0);
}

/* ---- what the connection tells ---- */

static void confirm(struct mu_subscriber *self, uint64_t mark) {
    self->confirmed = mark;
    if (self->options.on_confirmed && !self->closing) {
        self->options.on_confirmed(self->options.context, mark);
    }
}

static void come_up(struct mu_subscriber *self) {
    self->up = true;
    self->counts.ups++;
    if (self->options.on_up) {
        self->options.on_up(self->options.context);
    }
    confirm(self, self->wanted_first);
}

static void on_connected(void *context) {
    struct mu_subscriber *self = context;
    if (self->closing) {
        return;
    }
    mu_buffer_clear(&self->output);
    self->unconfirmed = 0;
    self->wanted_first = self->wanted;
    self->pinged = false;
    self->late = false;
    self->started = self->heard = now_ms();
    subscribe_all(self, false);
    subscribe_all(self, true);
    mu_connection_turn(self->connection);
    uv_timer_start(&self->timer, check_time, self->options.idle_timeout_ms, 0);
    if (self->unconfirmed == 0) {
        come_up(self);
    }
}

static bool is_text(const redisReply *reply) {
    return reply->type == REDIS_REPLY_STRING && reply->str;
}

static void message(struct mu_subscriber *self, const redisReply *reply, size_t first,
                    uint64_t began_us) {
    const redisReply *channel = reply->element[first];
    const redisReply *payload = reply->element[first + 1];
    if (self->options.on_message && is_text(channel) && is_text(payload)) {
        self->counts.messages++;
        self->counts.bytes += (size_t)payload->len;
        self->options.on_message(self->options.context, first == 2 ? reply->element[1]->str : NULL,
                                 channel->str, payload->str, (size_t)payload->len);
        mu_histogram_add(&self->counts.handed_on, MU_HISTOGRAM_TIME,
                         mu_clock_monotonic_us() - began_us);
        weigh(self, channel->str);
    }
}

static void on_reply(void *context, const redisReply *reply) {
    struct mu_subscriber *self = context;
    if (self->closing) {
        return;
    }
    uint64_t now_us = mu_clock_monotonic_us();
    self->heard = now_us / 1000;
    self->pinged = false;
    self->late = self->late && self->unconfirmed > 0;
    if (reply->type == REDIS_REPLY_ERROR) {
        mu_connection_end(self->connection, "the subscription is refused: %s", reply->str);
        return;
    }
    if (reply->type == REDIS_REPLY_STATUS) {
        return; /* the PONG of a connection without subscriptions */
    }
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements < 2 || !is_text(reply->element[0])) {
        mu_connection_end(self->connection, "protocol error: an answer that is no message");
        return;
    }
    const char *kind = reply->element[0]->str;
    if (reply->elements == 3 && strcasecmp(kind, "message") == 0) {
        message(self, reply, 1, now_us);
    } else if (reply->elements == 4 && strcasecmp(kind, "pmessage") == 0 &&
               is_text(reply->element[1])) {
        message(self, reply, 2, now_us);
    } else if (strcasecmp(kind, "subscribe") == 0 || strcasecmp(kind, "psubscribe") == 0) {
        /* In the order of the commands: those of the connection's beginning come first. */
        if (self->unconfirmed == 0) {
            confirm(self, self->confirmed + 1);
        } else if (--self->unconfirmed == 0) {
            come_up(self);
        }
    }
}

static void on_down(void *context, const struct mu_error *reason, bool answered) {
    struct mu_subscriber *self = context;
    (void)answered;
    self->up = false;
    uv_timer_stop(&self->timer);
    end_gathering(self);
    if (!self->closing && self->options.on_down) {
        self->options.on_down(self->options.context, reason);
    }
}

void mu_subscriber_counts(const struct mu_subscriber *self, struct mu_subscriber_counts *out) {
    *out = self->counts;
    out->subscriptions = self->count;
    out->gathering = is_gathering(self);
}

static void timer_closed(uv_handle_t *handle) {
    struct mu_subscriber *self = handle->data;
    if (--self->open_handles > 0) {
        return;
    }
    void (*closed)(void *context) = self->closed;
    void *context = self->closed_context;
    for (size_t i = 0; i < self->count; i++) {
        free(self->names[i].text);
    }
    free(self->names);
    free(self->patient);
    mu_buffer_deinit(&self->output);
    free(self);
    if (closed) {
        closed(context);
    }
}

static void connection_closed(void *context) {
    struct mu_subscriber *self = context;
    self->open_handles = 2;
    uv_close((uv_handle_t *)&self->timer, timer_closed);
    uv_close((uv_handle_t *)&self->gather, timer_closed);
}

static void on_turn(void *context) {
    struct mu_subscriber *self = context;
    if (self->closing) {
        mu_connection_close(&self->connection, connection_closed, self);
        return;
    }
    if (self->output.length > 0 && mu_connection_can_write(self->connection)) {
        mu_connection_write(self->connection, &self->output);
    }
}

/* ---- what the owner calls ---- */

struct mu_subscriber *mu_subscriber_create(uv_loop_t *loop,
                                           const struct mu_subscriber_options *options) {
    struct mu_subscriber *self = mu_calloc(1, sizeof *self);
    self->options = *options;
    if (self->options.command_timeout_ms == 0) {
        self->options.command_timeout_ms = COMMAND_TIMEOUT_MS;
    }
    if (self->options.idle_timeout_ms == 0) {
        self->options.idle_timeout_ms = IDLE_TIMEOUT_MS;
    }
    mu_buffer_init(&self->output, 0);
    uv_timer_init(loop, &self->timer);
    self->timer.data = self;
    uv_timer_init(loop, &self->gather);
    self->gather.data = self;
    struct mu_connection_options below = {
        .address = options->address,
        .client_name = options->client_name,
        .connect_timeout_ms = options->connect_timeout_ms,
        .retry_min_ms = options->retry_min_ms,
        .retry_max_ms = options->retry_max_ms,
        .log = options->log,
        .context = self,
        .on_connected = on_connected,
        .on_reply = on_reply,
        .on_down = on_down,
        .on_turn = on_turn,
    };
    self->connection = mu_connection_create(loop, &below);
    return self;
}

void mu_subscriber_set_address(struct mu_subscriber *self, const struct mu_redis_address *address) {
    mu_connection_set_address(self->connection, address);
}

void mu_subscriber_move(struct mu_subscriber *self, const struct mu_redis_address *address) {
    if (!self->closing) {
        mu_connection_move(self->connection, address);
    }
}

static void want(struct mu_subscriber *self, const char *text, bool pattern, unsigned user) {
    if (self->closing || !add(self, text, pattern, user)) {
        return;
    }
    self->wanted++;
    if (mu_connection_is_up(self->connection)) {
        issue(self, pattern ? "PSUBSCRIBE" : "SUBSCRIBE", text);
    }
}

void mu_subscriber_subscribe(struct mu_subscriber *self, const char *channel) {
    want(self, channel, false, OWN);
}

void mu_subscriber_psubscribe(struct mu_subscriber *self, const char *pattern) {
    want(self, pattern, true, OWN);
}

void mu_subscriber_share(struct mu_subscriber *self, const char *channel) {
    want(self, channel, false, SHARED);
}

static void unwant(struct mu_subscriber *self, const char *text, bool pattern, unsigned user) {
    bool found = false;
    size_t at = find(self, text, pattern, &found);
    if (self->closing || !found) {
        return;
    }
    self->names[at].users &= ~user;
    if (self->names[at].users != 0) {
        return;
    }
    if (mu_connection_is_up(self->connection)) {
        issue(self, pattern ? "PUNSUBSCRIBE" : "UNSUBSCRIBE", text);
    }
    free(self->names[at].text);
    self->count--;
    memmove(&self->names[at], &self->names[at + 1], (self->count - at) * sizeof *self->names);
}

void mu_subscriber_unsubscribe(struct mu_subscriber *self, const char *channel) {
    unwant(self, channel, false, OWN);
}

void mu_subscriber_unshare(struct mu_subscriber *self, const char *channel) {
    unwant(self, channel, false, SHARED);
}

void mu_subscriber_share_pattern(struct mu_subscriber *self, const char *pattern) {
    want(self, pattern, true, SHARED);
}

void mu_subscriber_unshare_pattern(struct mu_subscriber *self, const char *pattern) {
    unwant(self, pattern, true, SHARED);
}

void mu_subscriber_may_wait(struct mu_subscriber *self, const char *channel) {
    free(self->patient);
    self->patient = mu_strdup(channel);
}

bool mu_subscriber_is_up(const struct mu_subscriber *self) {
    return self->up && !self->closing && mu_connection_is_up(self->connection);
}

uint64_t mu_subscriber_mark(const struct mu_subscriber *self) {
    return mu_subscriber_is_up(self) && self->confirmed == self->wanted ? 0 : self->wanted;
}

void mu_subscriber_close(struct mu_subscriber **subscriber, void (*closed)(void *context),
                         void *context) {
    struct mu_subscriber *self = *subscriber;
    *subscriber = NULL;
    if (!self) {
        return;
    }
    self->closing = true;
    self->closed = closed;
    self->closed_context = context;
    uv_timer_stop(&self->timer);
    uv_timer_stop(&self->gather);
    mu_connection_turn(self->connection);
}
