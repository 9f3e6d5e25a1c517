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
#include "redis/tls.h"

#define CONNECT_TIMEOUT_MS 2000
#define RETRY_MIN_MS 50
#define RETRY_MAX_MS 2000
#define INPUT_SIZE 16384
#define WHERE_SIZE 320
#define REPEAT_LOG_MS 60000 /* the same failure is logged again after this long */

enum state {
    WAITING, /* for the first turn or the end of the back-off */
    DIALING,
    LOGIN,
    UP,
    CLOSING,
};

/* One stream's life. It may outlast its place in the connection until its handle is closed. */
struct session {
    struct mu_connection *owner; /* NULL: it has ended */
    struct mu_stream *stream;
    struct mu_tls *tls; /* NULL: plain text */
    struct mu_reader *reader;
    struct mu_login login;
    uv_write_t write;
    bool writing;
    struct mu_buffer output; /* being written */
    struct mu_buffer cipher; /* between tls and output */
    char input[INPUT_SIZE];
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

static void session_closed(uv_handle_t *handle) {
    struct session *session = handle->data;
    mu_tls_destroy(&session->tls);
    mu_reader_destroy(&session->reader);
    mu_buffer_deinit(&session->output);
    mu_buffer_deinit(&session->cipher);
    free(session->stream);
    free(session);
}

/* A goodbye, or the alert that says why; as far as the socket takes it. */
static void say_last(struct session *session) {
    if (!session->tls || session->writing) {
        return;
    }
    mu_tls_end(session->tls);
    mu_tls_take(session->tls, &session->cipher);
    if (session->cipher.length > 0) {
        uv_buf_t buffer = uv_buf_init(session->cipher.data, (unsigned)session->cipher.length);
        (void)uv_try_write(&session->stream->as.stream, &buffer, 1);
    }
}

static void drop_session(struct mu_connection *self) {
    struct session *session = self->session;
    self->session = NULL;
    if (session) {
        say_last(session);
        session->owner = NULL;
        uv_read_stop(&session->stream->as.stream);
        uv_close(&session->stream->as.handle, session_closed);
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
        uv_read_stop(&self->session->stream->as.stream);
        wake(self);
    }
}

/* ---- writing ---- */

static void flush(struct mu_connection *self);

/* A server that refuses our certificate says why and closes: what we send meanwhile fails before
 * its reason is read. So until the log-in is answered the reading has the word. */
static void write_failed(struct mu_connection *self, int result) {
    struct mu_error error;
    if (self->session && self->session->tls && self->state == LOGIN) {
        return;
    }
    mu_error_set(&error, MUSTER_UNAVAILABLE, "%s", uv_strerror(result));
    end_later(self, &error);
}

static void written(uv_write_t *request, int status) {
    struct session *session = request->data;
    struct mu_connection *self = session->owner;
    session->writing = false;
    mu_buffer_clear(&session->output); /* a password, or resume secrets: overwritten */
    if (!self) {
        return;
    }
    if (status < 0) {
        write_failed(self, status);
        return;
    }
    flush(self);
    self->turn_wanted = true;
    wake(self);
}

static void write_raw(struct mu_connection *self, struct mu_buffer *data) {
    struct session *session = self->session;
    size_t done = 0;
    uv_buf_t buffer = uv_buf_init(data->data, (unsigned)data->length);
    int result = uv_try_write(&session->stream->as.stream, &buffer, 1);
    if (result >= 0) {
        done = (size_t)result;
    } else if (result != UV_EAGAIN) {
        write_failed(self, result);
        return;
    }
    if (done == data->length) {
        return;
    }
    /* The memory changes places, so that the owner goes on with an empty buffer at once. */
    struct mu_buffer spare = session->output;
    session->output = *data;
    *data = spare;
    buffer = uv_buf_init(session->output.data + done, (unsigned)(session->output.length - done));
    session->write.data = session;
    result = uv_write(&session->write, &session->stream->as.stream, &buffer, 1, written);
    if (result < 0) {
        write_failed(self, result);
        return;
    }
    session->writing = true;
}

/* What TLS has for the socket; if the last write is not through it goes when that is. */
static void flush(struct mu_connection *self) {
    struct session *session = self->session;
    if (!session || !session->tls || session->writing) {
        return;
    }
    mu_tls_take(session->tls, &session->cipher);
    if (session->cipher.length > 0) {
        write_raw(self, &session->cipher);
        mu_buffer_clear(&session->cipher);
    }
}

static void write_out(struct mu_connection *self, struct mu_buffer *data) {
    struct session *session = self->session;
    struct mu_error error;
    if (!session->tls) {
        write_raw(self, data);
    } else if (mu_tls_write(session->tls, data->data, data->length, &error) != MUSTER_OK) {
        end_later(self, &error);
    } else {
        flush(self);
    }
}

/* ---- reading ---- */

static void log_in(struct mu_connection *self) {
    struct mu_buffer batch;
    mu_buffer_init(&batch, 0);
    mu_login_begin(&self->session->login, &self->dialed, self->client_name, &batch);
    write_out(self, &batch);
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

/* Each callback may end the session; its memory stays until the handle is closed. */
static bool goes_on(const struct session *session, const struct mu_connection *self) {
    return session->owner == self && !self->ending && self->state != CLOSING;
}

/* Plaintext, which is overwritten. */
static void take_in(struct session *session, char *data, size_t length) {
    struct mu_connection *self = session->owner;
    struct mu_error error;
    enum muster_status fed = mu_reader_feed(session->reader, data, length, &error);
    explicit_bzero(data, length); /* a message may hold a token */
    if (fed != MUSTER_OK) {
        down(self, &error);
        return;
    }
    while (goes_on(session, self)) {
        redisReply *reply = NULL;
        if (mu_reader_next(session->reader, &reply, &error) != MUSTER_OK) {
            down(self, &error);
            return;
        }
        if (!reply) {
            return;
        }
        one_reply(self, reply);
        freeReplyObject(reply);
    }
}

/* Ciphertext stands in the input, which is then used for the plaintext. */
static void decrypt(struct session *session, size_t length) {
    struct mu_connection *self = session->owner;
    struct mu_tls *tls = session->tls;
    struct mu_error error;
    size_t got = 0;
    bool was_established = mu_tls_established(tls);
    if (mu_tls_feed(tls, session->input, length, &error) != MUSTER_OK) {
        down(self, &error);
        return;
    }
    flush(self); /* our part of the handshake */
    if (!was_established && mu_tls_established(tls)) {
        log_in(self);
    }
    while (goes_on(session, self)) {
        if (mu_tls_read(tls, session->input, sizeof session->input, &got, &error) != MUSTER_OK) {
            down(self, &error);
            return;
        }
        if (got == 0) {
            flush(self); /* new keys, say */
            return;
        }
        take_in(session, session->input, got);
    }
}

static void read_ended(struct mu_connection *self, ssize_t count) {
    const char *reason =
        count == UV_EOF ? "the server closed the connection" : uv_strerror((int)count);
    struct mu_error error;
    if (self->session->tls && !self->answered) {
        mu_tls_lost(self->session->tls, reason, &error);
    } else {
        mu_error_set(&error, MUSTER_UNAVAILABLE, "%s", reason);
    }
    down(self, &error);
}

static void read_input(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer) {
    struct session *session = stream->data;
    struct mu_connection *self = session->owner;
    if (!self || self->ending || count == 0) {
        return;
    }
    if (count < 0) {
        read_ended(self, count);
    } else if (session->tls) {
        decrypt(session, (size_t)count);
    } else {
        take_in(session, buffer->base, (size_t)count);
    }
}

static void give_input(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer) {
    struct session *session = handle->data;
    (void)suggested;
    *buffer = uv_buf_init(session->input, sizeof session->input);
}

/* ---- beginning ---- */

static void log_in_late(uv_timer_t *timer) {
    struct mu_connection *self = timer->data;
    unsigned long long limit = self->options.connect_timeout_ms;
    const struct mu_tls *tls = self->session->tls;
    struct mu_error error;
    if (tls && !mu_tls_established(tls)) {
        mu_tls_late(tls, limit, &error);
    } else {
        mu_error_set(&error, MUSTER_UNAVAILABLE,
                     "connected, but no answer to the log-in in %llu ms", limit);
    }
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
    session->owner = self;
    session->stream = stream;
    session->reader = mu_reader_create(self->options.reply_bytes);
    mu_buffer_init(&session->output, 0);
    mu_buffer_init(&session->cipher, 0);
    stream->as.handle.data = session;
    self->session = session;
    self->state = LOGIN;
    uv_timer_start(&self->timer, log_in_late, self->options.connect_timeout_ms, 0);
    int result = uv_read_start(&stream->as.stream, give_input, read_input);
    if (result < 0) {
        mu_error_set(&error, MUSTER_UNAVAILABLE, "%s", uv_strerror(result));
        down(self, &error);
        return;
    }
    if (!self->dialed.tls) {
        log_in(self);
        return;
    }
    session->tls = mu_tls_create(&self->dialed, &error);
    if (session->tls) {
        flush(self);
    } else {
        down(self, &error);
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
    return mu_connection_is_up(self) && !self->session->writing;
}

void mu_connection_write(struct mu_connection *self, struct mu_buffer *data) {
    write_out(self, data);
    mu_buffer_clear(data);
}

void mu_connection_end(struct mu_connection *self, const char *format, ...) {
    struct mu_error reason;
    char text[MU_ERROR_TEXT];
    va_list list;
    va_start(list, format);
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
