#include "redis/link.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "redis/command.h"
#include "redis/connection.h"
#include "redis/queue.h"

#define COMMAND_TIMEOUT_MS 5000
#define QUEUE_COMMANDS 100000
#define QUEUE_BYTES ((size_t)64 << 20)
#define BATCH_BYTES ((size_t)1 << 20) /* one write; more follows in the next turn */
#define EARLY_COMMANDS 32 /* are written before the turn is over if Redis has nothing to do */
#define ARGUMENTS_MAX ((size_t)1 << 20)

struct mu_link {
    struct mu_link_options options; /* what it points to is not used after create */
    struct mu_connection *connection;
    uv_timer_t timer; /* for the oldest command of each queue */
    bool open;        /* the owner's preparation of this connection is over */
    bool late;        /* the deadline has passed, one more look at the socket is due */
    bool closing;
    struct mu_link_counts counts; /* but for what is told of now */
    struct mu_queue waiting;      /* not written */
    struct mu_queue prepare;      /* not written, of the present connection only */
    struct mu_queue awaiting;     /* written, in the order of the replies to come */
    size_t waiting_bytes;
    struct mu_buffer batch;
    void (*closed)(void *context);
    void *closed_context;
};

/* ---- how commands end ---- */

static void finish(struct mu_queued *item, enum muster_status status, const redisReply *reply,
                   const struct mu_error *error) {
    if (item->bytes) {
        redisFreeCommand(item->bytes);
    }
    if (item->callback) {
        item->callback(item->context, status, reply, error);
    }
}

/* Ends the first `count` commands: those that a callback adds meanwhile are not touched. */
static void finish_all(struct mu_link *self, struct mu_queue *queue, size_t count,
                       enum muster_status status, const struct mu_error *reason) {
    struct mu_error error = *reason;
    error.status = status;
    struct mu_queued item;
    while (count-- > 0 && mu_queue_pop(queue, &item)) {
        self->counts.unanswered += status == MUSTER_TIMEOUT ? 1 : 0;
        self->counts.unsent += status == MUSTER_UNAVAILABLE ? 1 : 0;
        self->waiting_bytes -= item.bytes ? item.length : 0;
        finish(&item, status, NULL, &error);
    }
}

/* Those that do not wait for another connection end; the others keep their order. */
static void finish_now_ones(struct mu_link *self, const struct mu_error *reason) {
    struct mu_error error = *reason;
    error.status = MUSTER_UNAVAILABLE;
    struct mu_queue ended = {0};
    struct mu_queued item;
    for (size_t left = self->waiting.count; left > 0; left--) {
        mu_queue_pop(&self->waiting, &item);
        mu_queue_push(item.now ? &ended : &self->waiting, &item);
    }
    finish_all(self, &ended, ended.count, MUSTER_UNAVAILABLE, &error);
    mu_queue_deinit(&ended);
}

/* ---- deadlines ---- */

static void check_deadlines(uv_timer_t *timer);

static bool passed(const struct mu_link *self, const struct mu_queue *queue, uint64_t now_us,
                   uint64_t *next) {
    const struct mu_queued *oldest = mu_queue_front(queue);
    if (!oldest) {
        return false;
    }
    uint64_t age = (now_us - oldest->since_us) / 1000;
    if (age >= self->options.command_timeout_ms) {
        return true;
    }
    uint64_t left = self->options.command_timeout_ms - age;
    *next = left < *next ? left : *next;
    return false;
}

/* Lazy: the timer runs on to the deadline of what was the oldest command once. */
static void watch_deadlines(struct mu_link *self) {
    if (!self->closing && !uv_is_active((uv_handle_t *)&self->timer)) {
        uint64_t wait = self->options.command_timeout_ms;
        uv_timer_start(&self->timer, check_deadlines, wait, 0);
    }
}

static void expire_waiting(struct mu_link *self, uint64_t now_us) {
    struct mu_error error;
    mu_error_set(&error, MUSTER_UNAVAILABLE, "redis could not be reached in %llu ms",
                 (unsigned long long)self->options.command_timeout_ms);
    uint64_t unused = 0;
    while (!self->closing && passed(self, &self->waiting, now_us, &unused)) {
        finish_all(self, &self->waiting, 1, MUSTER_UNAVAILABLE, &error);
    }
}

static void check_deadlines(uv_timer_t *timer) {
    struct mu_link *self = timer->data;
    uint64_t now_us = mu_clock_monotonic_us();
    uint64_t next = self->options.command_timeout_ms;
    bool unanswered = passed(self, &self->awaiting, now_us, &next);
    bool unwritten = passed(self, &self->waiting, now_us, &next);
    if ((unanswered || unwritten) && !self->late) {
        /* Timers run before the sockets are looked at: if this loop was late itself, the
         * replies may be there already. */
        self->late = true;
        uv_timer_start(timer, check_deadlines, 1, 0);
        return;
    }
    self->late = false;
    if (unanswered) {
        mu_connection_end(self->connection, "no reply in %llu ms",
                          (unsigned long long)self->options.command_timeout_ms);
    }
    if (unwritten) {
        expire_waiting(self, now_us);
    }
    if (!self->closing && (self->awaiting.count > 0 || self->waiting.count > 0)) {
        next = self->options.command_timeout_ms;
        passed(self, &self->awaiting, now_us, &next);
        passed(self, &self->waiting, now_us, &next);
        uv_timer_start(timer, check_deadlines, next + 1, 0);
    }
}

/* ---- what the connection tells ---- */

static void on_connected(void *context) {
    struct mu_link *self = context;
    self->counts.connections++;
    if (self->closing) {
        return;
    }
    if (self->options.on_connected) {
        self->options.on_connected(self->options.context);
    } else {
        mu_link_open(self);
    }
}

static void on_reply(void *context, const redisReply *reply) {
    struct mu_link *self = context;
    struct mu_queued item;
    if (!mu_queue_pop(&self->awaiting, &item)) {
        mu_connection_end(self->connection, "protocol error: a reply that nobody asked for");
        return;
    }
    if (reply->type == REDIS_REPLY_ERROR && strncmp(reply->str, "READONLY ", 9) == 0) {
        mu_connection_end(self->connection, "the server has become a replica");
    }
    mu_histogram_add(&self->counts.round_trip, MU_HISTOGRAM_TIME,
                     mu_clock_monotonic_us() - item.since_us);
    finish(&item, MUSTER_OK, reply, NULL);
}

static void on_down(void *context, const struct mu_error *reason, bool answered) {
    struct mu_link *self = context;
    (void)answered;
    self->open = false;
    size_t prepared = self->prepare.count;
    size_t written = self->awaiting.count;
    if (!self->closing && self->options.on_down) {
        self->options.on_down(self->options.context, reason);
    }
    finish_all(self, &self->awaiting, written, MUSTER_TIMEOUT, reason);
    finish_all(self, &self->prepare, prepared, MUSTER_UNAVAILABLE, reason);
    finish_now_ones(self, reason);
}

static void take(struct mu_link *self, struct mu_queue *queue, uint64_t now_us) {
    struct mu_queued item;
    while (self->batch.length < BATCH_BYTES && mu_queue_pop(queue, &item)) {
        if (!mu_buffer_append(&self->batch, item.bytes, item.length)) {
            abort(); /* unbounded: only for want of memory */
        }
        redisFreeCommand(item.bytes);
        item.bytes = NULL;
        self->waiting_bytes -= item.length;
        item.since_us = now_us;
        mu_queue_push(&self->awaiting, &item);
    }
}

static void link_closed(void *context);

static void end(struct mu_link *self) {
    struct mu_error error;
    mu_error_set(&error, MUSTER_UNAVAILABLE, "the link to redis is closing");
    finish_all(self, &self->awaiting, self->awaiting.count, MUSTER_TIMEOUT, &error);
    finish_all(self, &self->prepare, self->prepare.count, MUSTER_UNAVAILABLE, &error);
    finish_all(self, &self->waiting, self->waiting.count, MUSTER_UNAVAILABLE, &error);
    mu_connection_close(&self->connection, link_closed, self);
}

static void write_batch(struct mu_link *self) {
    uint64_t now_us = mu_clock_monotonic_us();
    size_t before = self->awaiting.count;
    take(self, &self->prepare, now_us);
    if (self->open) {
        take(self, &self->waiting, now_us);
    }
    if (self->batch.length > 0) {
        size_t written = self->awaiting.count - before;
        self->counts.commands += written;
        mu_histogram_add(&self->counts.batch, MU_HISTOGRAM_ITEMS, written);
        mu_connection_write(self->connection, &self->batch);
        if (self->prepare.count > 0 || (self->open && self->waiting.count > 0)) {
            mu_connection_turn(self->connection);
        }
    }
}

static void on_turn(void *context) {
    struct mu_link *self = context;
    if (self->closing) {
        end(self);
    } else if (mu_connection_can_write(self->connection)) {
        write_batch(self);
    }
}

/* ---- what the owner calls ---- */

struct mu_link *mu_link_create(uv_loop_t *loop, const struct mu_link_options *options) {
    struct mu_link *self = mu_calloc(1, sizeof *self);
    self->options = *options;
    if (self->options.command_timeout_ms == 0) {
        self->options.command_timeout_ms = COMMAND_TIMEOUT_MS;
    }
    if (self->options.queue_commands == 0) {
        self->options.queue_commands = QUEUE_COMMANDS;
    }
    if (self->options.queue_bytes == 0) {
        self->options.queue_bytes = QUEUE_BYTES;
    }
    mu_buffer_init(&self->batch, 0);
    uv_timer_init(loop, &self->timer);
    self->timer.data = self;
    struct mu_connection_options below = {
        .address = options->address,
        .client_name = options->client_name,
        .connect_timeout_ms = options->connect_timeout_ms,
        .retry_min_ms = options->retry_min_ms,
        .retry_max_ms = options->retry_max_ms,
        .reply_bytes = options->reply_bytes,
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

void mu_link_set_address(struct mu_link *self, const struct mu_redis_address *address) {
    mu_connection_set_address(self->connection, address);
}

void mu_link_move(struct mu_link *self, const struct mu_redis_address *address) {
    if (!self->closing) {
        mu_connection_move(self->connection, address);
    }
}

static enum muster_status enqueue(struct mu_link *self, struct mu_queue *queue, bool now,
                                  size_t count, const char *const *arguments, const size_t *lengths,
                                  mu_link_reply_cb callback, void *context) {
    size_t commands = self->waiting.count + self->prepare.count + self->awaiting.count;
    size_t most = self->options.queue_bytes;
    if (commands >= self->options.queue_commands || count > ARGUMENTS_MAX ||
        mu_command_size(count, arguments, lengths) > most - self->waiting_bytes) {
        self->counts.refused++;
        return MUSTER_OVERLOADED;
    }
    struct mu_queued item = {
        .callback = callback, .context = context, .since_us = mu_clock_monotonic_us(), .now = now};
    item.bytes = mu_command_format(count, arguments, lengths, &item.length);
    self->waiting_bytes += item.length;
    mu_queue_push(queue, &item);
    watch_deadlines(self);
    if (mu_connection_can_write(self->connection)) {
        /* Who sends many at once gets their answers at once, and sends as many again: Redis and we
         * would work in turns, each while the other waits. So it begins while we go on. */
        if (self->open && self->awaiting.count == 0 && self->waiting.count >= EARLY_COMMANDS) {
            write_batch(self);
        } else {
            mu_connection_turn(self->connection);
        }
    }
    return MUSTER_OK;
}

enum muster_status mu_link_command(struct mu_link *self, size_t count, const char *const *arguments,
                                   const size_t *lengths, mu_link_reply_cb callback,
                                   void *context) {
    if (self->closing) {
        return MUSTER_UNAVAILABLE;
    }
    return enqueue(self, &self->waiting, false, count, arguments, lengths, callback, context);
}

enum muster_status mu_link_command_now(struct mu_link *self, size_t count,
                                       const char *const *arguments, const size_t *lengths,
                                       mu_link_reply_cb callback, void *context) {
    if (!mu_link_is_open(self)) {
        return MUSTER_UNAVAILABLE;
    }
    return enqueue(self, &self->waiting, true, count, arguments, lengths, callback, context);
}

enum muster_status mu_link_prepare_command(struct mu_link *self, size_t count,
                                           const char *const *arguments, const size_t *lengths,
                                           mu_link_reply_cb callback, void *context) {
    if (self->closing || !mu_connection_is_up(self->connection)) {
        return MUSTER_UNAVAILABLE;
    }
    return enqueue(self, &self->prepare, true, count, arguments, lengths, callback, context);
}

void mu_link_open(struct mu_link *self) {
    if (!self->closing && mu_connection_is_up(self->connection)) {
        self->open = true;
        mu_connection_turn(self->connection);
    }
}

void mu_link_reject(struct mu_link *self, const char *reason) {
    if (!self->closing) {
        mu_connection_end(self->connection, "%s", reason);
    }
}

bool mu_link_is_open(const struct mu_link *self) {
    return self->open && !self->closing && mu_connection_is_up(self->connection);
}

uint64_t mu_link_connections(const struct mu_link *self) {
    return self->counts.connections;
}

void mu_link_counts(const struct mu_link *self, struct mu_link_counts *out) {
    *out = self->counts;
    out->queued = self->waiting.count + self->prepare.count;
    out->queued_bytes = self->waiting_bytes;
    out->awaiting = self->awaiting.count;
}

static void timer_closed(uv_handle_t *handle) {
    struct mu_link *self = handle->data;
    void (*closed)(void *context) = self->closed;
    void *context = self->closed_context;
    mu_queue_deinit(&self->waiting);
    mu_queue_deinit(&self->prepare);
    mu_queue_deinit(&self->awaiting);
    mu_buffer_deinit(&self->batch);
    free(self);
    if (closed) {
        closed(context);
    }
}

static void link_closed(void *context) {
    struct mu_link *self = context;
    uv_close((uv_handle_t *)&self->timer, timer_closed);
}

void mu_link_close(struct mu_link **link, void (*closed)(void *context), void *context) {
    struct mu_link *self = *link;
    *link = NULL;
    if (!self) {
        return;
    }
    self->closing = true;
    self->closed = closed;
    self->closed_context = context;
    uv_timer_stop(&self->timer);
    mu_connection_turn(self->connection);
}
