#include "redis/connection.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/ids.h"
#include "redis/dial.h"
#include "redis/login.h"
#include "redis/reader.h"
#include "redis/wire.h"

#define CONNECT_TIMEOUT_MS 2000
#define RETRY_MIN_MS 50
#define RETRY_MAX_MS 2000
#define WHERE_SIZE 320
#define REPEAT_LOG_MS 60000 /* the same failure is logged again after this long */

enum state {
    WAITING, /* for the first turn or the end of the back-off */
    DIALING,
    LOGIN,
    UP,
    CLOSING,
};

/* One stream's life. It may outlast its place in the connection until the wire is closed. */
struct session {
    struct mu_connection *owner; /* NULL: it has ended */
    struct mu_wire *wire;
    struct mu_reader *reader;
    struct mu_login login;
};

struct mu_connection {
    uv_loop_t *loop;
    struct mu_connection_options options; /* address and client_name are below */
    struct mu_redis_address address;
    struct mu_redis_address dialed; /* of the present attempt */
    char *client_name;
    char where[WHERE_SIZE];
    enum state state;
    uv_timer_t timer; /* back-off, or the deadline of the log-in */
    uv_idle_t turn;   /* started while a turn is wanted; keeps the loop from sleeping */
    struct mu_dialer *dialer;
    struct session *session;
    bool turn_wanted; /* on_turn is to be called */
    bool ending;      /* mu_connection_end() was called */
    bool moving;      /* mu_connection_move() was called */
    bool answered;    /* by a Redis, in the present attempt */
    struct mu_error end_reason;
    unsigned failures;
    uint64_t up_since;
    uint64_t logged_at;
    char *logged; /* the last failure that was logged */
    unsigned open_handles;
    void (*closed)(void *context);
    void *closed_context;
};

static void on_turn(uv_idle_t *idle);
static void back_off_over(uv_timer_t *timer);

static uint64_t now_ms(void) {
    return mu_clock_monotonic_us() / 1000;
}

static void wake(struct mu_connection *self) {
    if (self->state != CLOSING) {
        uv_idle_start(&self->turn, on_turn);
    }
}

static void describe(struct mu_connection *self) {
    char text[WHERE_SIZE - 16];
    struct mu_redis_address plain = self->dialed;
    plain.database = 0;
    mu_redis_address_describe(&plain, text, sizeof text);
    size_t length = strlen(text);
    if (length > 2 && strcmp(text + length - 2, "/0") == 0) {
        text[length - 2] = '\0';
    }
    snprintf(self->where, sizeof self->where, "redis at %s", text);
}

/* ---- the end of a stream ---- */

static void session_closed(void *context) {
    struct session *session = context;
    mu_reader_destroy(&session->reader);
    free(session);
}

static void drop_session(struct mu_connection *self) {
    struct session *session = self->session;
    self->session = NULL;
    if (session) {
        session->owner = NULL;
        mu_wire_close(&session->wire, session_closed, session);
    }
}

static void log_down(struct mu_connection *self, const struct mu_error *reason, bool was_up,
                     uint64_t delay) {
    uint64_t now = now_ms();
    bool repeated = !was_up && self->logged && strcmp(self->logged, reason->text) == 0 &&
                    now - self->logged_at < REPEAT_LOG_MS;
    MU_LOG(self->options.log, repeated ? MU_LOG_DEBUG : MU_LOG_WARN,
           was_up ? "redis.lost" : "redis.unreachable", MU_STR("client", self->client_name),
           MU_STR("reason", reason->text), MU_INT("retry_ms", delay));
    if (!repeated) {
        free(self->logged);
        self->logged = mu_strdup(reason->text);
        self->logged_at = now;
    }
}

static uint64_t next_delay(struct mu_connection *self, bool was_up) {
    uint64_t max = self->options.retry_max_ms;
    if (was_up && now_ms() - self->up_since > max) {
        self->failures = 0;
    }
    uint64_t delay = self->options.retry_min_ms;
    for (unsigned i = 0; i < self->failures && delay < max; i++) {
        delay *= 2;
    }
    delay = delay > max ? max : delay;
    self->failures++;
    return delay - mu_random_below(delay / 2 + 1);
}

/* The attempt or connection has ended: tells it and begins to wait. */
static void down(struct mu_connection *self, struct mu_error *reason) {
    bool was_up = self->state == UP;
    bool answered = self->answered;
    mu_error_prefix(reason, "%s", self->where);
    drop_session(self);
    self->ending = false;
    self->answered = false;
    self->state = WAITING;
    uint64_t delay = next_delay(self, was_up);
    uv_timer_start(&self->timer, back_off_over, delay, 0);
    log_down(self, reason, was_up, delay);
    self->options.on_down(self->options.context, reason, answered);
}

/* For what fails where no callback may be called. */
static void end_later(struct mu_connection *self, const struct mu_error *reason) {
    if (!self->ending && self->session) {
        self->ending = true;
        self->end_reason = *reason;
        mu_wire_stop(self->session->wire);
        wake(self);
    }
}

/* ---- the log-in, and reading ---- */

static void log_in(struct mu_connection *self) {
    struct mu_buffer batch;
    mu_buffer_init(&batch, 0);
    mu_login_begin(&self->session->login, &self->dialed, self->client_name, &batch);
    mu_wire_write(self->session->wire, &batch);
    if (batch.data) {
        explicit_bzero(batch.data, batch.capacity);
    }
    mu_buffer_deinit(&batch);
}

static void log_in_done(struct mu_connection *self) {
    uv_timer_stop(&self->timer);
    self->state = UP;
    self->up_since = now_ms();
    free(self->logged);
    self->logged = NULL;
    MU_LOG(self->options.log, MU_LOG_INFO, "redis.connected", MU_STR("client", self->client_name),
           MU_STR("where", self->where));
    self->options.on_connected(self->options.context);
}

static void one_reply(struct mu_connection *self, const redisReply *reply) {
    self->answered = true;
    if (self->state == UP) {
        self->options.on_reply(self->options.context, reply);
        return;
    }
    bool done = false;
    struct mu_error error;
    if (mu_login_reply(&self->session->login, reply, &done, &error) != MUSTER_OK) {
        down(self, &error);
    } else if (done) {
        log_in_done(self);
    }
}

static void on_open(void *context) {
    struct session *session = context;
    log_in(session->owner);
}

static void on_bytes(void *context, const char *data, size_t length) {
    struct session *session = context;
    struct mu_connection *self = session->owner;
    struct mu_error error;
    if (mu_reader_feed(session->reader, data, length, &error) != MUSTER_OK) {
        down(self, &error);
        return;
    }
    /* Each callback may end the session; its memory stays until the wire is closed. */
    while (session->owner == self && !self->ending && self->state != CLOSING) {
        const redisReply *reply = NULL;
        if (mu_reader_next(session->reader, &reply, &error) != MUSTER_OK) {
            down(self, &error);
            return;
        }
        if (!reply) {
            return;
        }
        one_reply(self, reply);
    }
}

static void on_written(void *context) {
    struct session *session = context;
    mu_connection_turn(session->owner);
}

static void on_end(void *context, const struct mu_error *reason) {
    struct session *session = context;
    struct mu_error error = *reason;
    down(session->owner, &error);
}

static void on_write_failed(void *context, const struct mu_error *reason) {
    struct session *session = context;
    end_later(session->owner, reason);
}

/* ---- beginning ---- */

static void log_in_late(uv_timer_t *timer) {
    struct mu_connection *self = timer->data;
    struct mu_error error;
    mu_wire_late(self->session->wire, "the log-in", self->options.connect_timeout_ms, &error);
    down(self, &error);
}

static void dialed(void *context, struct mu_stream *stream, const struct mu_error *failure) {
    struct mu_connection *self = context;
    struct mu_error error;
    if (!stream) {
        error = *failure;
        down(self, &error);
        return;
    }
    struct session *session = mu_calloc(1, sizeof *session);
    struct mu_wire_options options = {
        .context = session,
        .on_open = on_open,
        .on_bytes = on_bytes,
        .on_written = on_written,
        .on_end = on_end,
        .on_write_failed = on_write_failed,
    };
    session->owner = self;
    session->wire = mu_wire_create(stream, &self->dialed, &options, &error);
    if (!session->wire) {
        free(session);
        down(self, &error);
        return;
    }
    session->reader = mu_reader_create(self->options.reply_bytes);
    self->session = session;
    self->state = LOGIN;
    uv_update_time(self->loop); /* reading the files of TLS may have taken a while */
    uv_timer_start(&self->timer, log_in_late, self->options.connect_timeout_ms, 0);
    if (mu_wire_is_open(session->wire)) {
        log_in(self);
    }
}

static void dial(struct mu_connection *self) {
    uv_timer_stop(&self->timer);
    mu_redis_address_deinit(&self->dialed);
    mu_redis_address_copy(&self->dialed, &self->address);
    describe(self);
    self->state = DIALING;
    mu_dialer_dial(self->dialer, &self->dialed, self->options.connect_timeout_ms);
}

static void back_off_over(uv_timer_t *timer) {
    dial(timer->data);
}

/* To the new address at once: neither the old connection, nor an attempt, nor a back-off is waited
 * for. */
static void move(struct mu_connection *self) {
    self->moving = false;
    self->failures = 0;
    if (self->state != WAITING) {
        mu_error_set(&self->end_reason, MUSTER_UNAVAILABLE, "left for another address");
        mu_dialer_cancel(self->dialer);
        down(self, &self->end_reason);
    }
    if (self->state == WAITING) {
        dial(self);
    }
}

static void on_turn(uv_idle_t *idle) {
    struct mu_connection *self = idle->data;
    uv_idle_stop(&self->turn);
    if (self->moving) {
        move(self);
    } else if (self->ending) {
        down(self, &self->end_reason);
    }
    if (self->state == WAITING && !uv_is_active((uv_handle_t *)&self->timer)) {
        dial(self); /* the very first attempt */
    }
    if (self->turn_wanted) {
        self->turn_wanted = false;
        self->options.on_turn(self->options.context);
    }
}

/* ---- what the owner calls ---- */

struct mu_connection *mu_connection_create(uv_loop_t *loop,
                                           const struct mu_connection_options *options) {
    struct mu_connection *self = mu_calloc(1, sizeof *self);
    self->loop = loop;
    self->options = *options;
    self->options.address = NULL;
    self->options.client_name = NULL;
    if (self->options.connect_timeout_ms == 0) {
        self->options.connect_timeout_ms = CONNECT_TIMEOUT_MS;
    }
    if (self->options.retry_min_ms == 0) {
        self->options.retry_min_ms = RETRY_MIN_MS;
    }
    if (self->options.retry_max_ms == 0) {
        self->options.retry_max_ms = RETRY_MAX_MS;
    }
    mu_redis_address_copy(&self->address, options->address);
    self->client_name = options->client_name ? mu_strdup(options->client_name) : NULL;
    self->dialer = mu_dialer_create(loop, dialed, self);
    uv_timer_init(loop, &self->timer);
    uv_idle_init(loop, &self->turn);
    self->timer.data = self;
    self->turn.data = self;
    wake(self);
    return self;
}

void mu_connection_set_address(struct mu_connection *self, const struct mu_redis_address *address) {
    struct mu_redis_address copy;
    mu_redis_address_copy(&copy, address);
    mu_redis_address_deinit(&self->address);
    self->address = copy;
}

void mu_connection_move(struct mu_connection *self, const struct mu_redis_address *address) {
    mu_connection_set_address(self, address);
    self->moving = true;
    wake(self);
}

bool mu_connection_is_up(const struct mu_connection *self) {
    return self->state == UP && !self->ending && !self->moving;
}

void mu_connection_turn(struct mu_connection *self) {
    self->turn_wanted = true;
    wake(self);
}

bool mu_connection_can_write(const struct mu_connection *self) {
    return mu_connection_is_up(self) && mu_wire_can_write(self->session->wire);
}

void mu_connection_write(struct mu_connection *self, struct mu_buffer *data) {
    mu_wire_write(self->session->wire, data);
    mu_buffer_clear(data);
}

void mu_connection_hold(struct mu_connection *self, bool held) {
    if (mu_connection_is_up(self)) {
        mu_wire_hold(self->session->wire, held);
    }
}

bool mu_connection_read(struct mu_connection *self) {
    return mu_connection_is_up(self) && mu_wire_read(self->session->wire);
}

void mu_connection_end(struct mu_connection *self, const char *format, ...) {
    struct mu_error reason;
    char text[MU_ERROR_TEXT];
    va_list list;
    va_start(list, format);
    /* The analyzer loses va_start() when it inlines a variadic function. */
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized) */
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    mu_error_set(&reason, MUSTER_UNAVAILABLE, "%s", text);
    end_later(self, &reason);
}

static void part_closed(void *context) {
    struct mu_connection *self = context;
    if (--self->open_handles > 0) {
        return;
    }
    void (*closed)(void *context) = self->closed;
    void *closed_context = self->closed_context;
    mu_redis_address_deinit(&self->address);
    mu_redis_address_deinit(&self->dialed);
    free(self->client_name);
    free(self->logged);
    free(self);
    closed(closed_context);
}

static void handle_closed(uv_handle_t *handle) {
    part_closed(handle->data);
}

void mu_connection_close(struct mu_connection **connection, void (*closed)(void *context),
                         void *context) {
    struct mu_connection *self = *connection;
    *connection = NULL;
    drop_session(self);
    self->state = CLOSING;
    self->closed = closed;
    self->closed_context = context;
    self->open_handles = 3;
    mu_dialer_close(&self->dialer, part_closed, self);
    uv_close((uv_handle_t *)&self->timer, handle_closed);
    uv_close((uv_handle_t *)&self->turn, handle_closed);
}
