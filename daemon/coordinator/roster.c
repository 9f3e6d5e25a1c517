#include "coordinator/roster.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "coordinator/reply.h"
#include "redis/library.h"
#include "registry/call.h"

#define WRITE_MS 2000
#define PRUNE_ROUNDS 3 /* every third round of writing */
#define STALE_MS 10000

struct mu_roster {
    struct mu_roster_options options;
    uv_timer_t timer;
    char key[MU_KEY_SIZE];
    struct mu_buffer line; /* without the time and the closing brace */
    uint64_t now;          /* Redis's time of this round, ms */
    unsigned rounds;
    unsigned pending; /* answers that are due, and the timer */
    bool active;
    bool refused; /* it has been said */
    bool closing;
};

static void drop(struct mu_roster *self) {
    if (--self->pending == 0) {
        mu_buffer_deinit(&self->line);
        free(self);
    }
}

static void must(bool done) {
    if (!done) {
        abort(); /* out of memory, as in alloc.c */
    }
}

static void on_written(void *context, enum muster_status status, const redisReply *reply,
                       const struct mu_error *error) {
    struct mu_roster *self = context;
    (void)error;
    if (status == MUSTER_OK && reply->type == REDIS_REPLY_ERROR && !self->refused &&
        !self->closing) {
        self->refused = true;
        MU_LOG(self->options.log, MU_LOG_WARN, "roster.refused", MU_STR("error", reply->str),
               MU_STR("message", "this daemon cannot list itself; STATUS does not name it"));
    }
    drop(self);
}

static void tell(struct mu_roster *self, size_t count, const char *const *words,
                 mu_link_reply_cb callback) {
    self->pending++;
    if (mu_link_command_now(self->options.link, count, words, NULL, callback, self) != MUSTER_OK) {
        self->pending--;
    }
}

static void write_line(struct mu_roster *self) {
    struct mu_buffer line;
    mu_buffer_init(&line, 0);
    must(mu_buffer_printf(&line, "%s%" PRIu64 "}", self->line.data, self->now));
    tell(self, 4,
         (const char *const[]){"HSET", self->key, self->options.config->coordinator.id, line.data},
         on_written);
    mu_buffer_deinit(&line);
}

/* ---- old lines ---- */

static bool is_stale(const redisReply *line, uint64_t now) {
    json_t *object = mu_reply_parse(line->str, (size_t)line->len);
    uint64_t at = object != NULL ? mu_reply_number(object, "at") : 0;
    json_decref(object);
    return at + STALE_MS < now;
}

static void on_lines(void *context, enum muster_status status, const redisReply *reply,
                     const struct mu_error *error) {
    struct mu_roster *self = context;
    (void)error;
    for (size_t i = 0; status == MUSTER_OK && reply->type == REDIS_REPLY_ARRAY && self->active &&
                       !self->closing && i + 1 < reply->elements;
         i += 2) {
        const redisReply *id = reply->element[i];
        if (id->type == REDIS_REPLY_STRING && reply->element[i + 1]->type == REDIS_REPLY_STRING &&
            is_stale(reply->element[i + 1], self->now)) {
            tell(self, 3, (const char *const[]){"HDEL", self->key, id->str}, on_written);
        }
    }
    drop(self);
}

/* ---- time ---- */

static void on_time(void *context, enum muster_status status, const redisReply *reply,
                    const struct mu_error *error) {
    struct mu_roster *self = context;
    (void)error;
    if (status != MUSTER_OK || reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
        self->closing) {
        drop(self);
        return;
    }
    self->now = strtoull(reply->element[0]->str, NULL, 10) * 1000 +
                strtoull(reply->element[1]->str, NULL, 10) / 1000;
    write_line(self);
    if (self->active && ++self->rounds % PRUNE_ROUNDS == 0) {
        tell(self, 2, (const char *const[]){"HGETALL", self->key}, on_lines);
    }
    drop(self);
}

static void on_timer(uv_timer_t *timer) {
    tell(timer->data, 1, (const char *const[]){"TIME"}, on_time);
}

struct mu_roster *mu_roster_create(uv_loop_t *loop, const struct mu_roster_options *options) {
    const struct mu_config *config = options->config;
    struct mu_roster *self = mu_calloc(1, sizeof *self);
    self->options = *options;
    self->pending = 1;
    mu_key(self->key, config->name_space, "daemons");
    char *address = mu_config_advertised(config);
    mu_buffer_init(&self->line, 0);
    must(mu_buffer_append_text(&self->line, "{\"address\":") &&
         mu_buffer_append_json(&self->line, address, strlen(address)) &&
         mu_buffer_printf(&self->line, ",\"version\":\"%s\",\"library\":%d,\"at\":",
                          options->version, MU_LIBRARY_VERSION));
    free(address);
    uv_timer_init(loop, &self->timer);
    self->timer.data = self;
    return self;
}

void mu_roster_up(struct mu_roster *self) {
    uv_timer_start(&self->timer, on_timer, 0, WRITE_MS);
}

void mu_roster_duty(struct mu_roster *self, bool active) {
    self->active = active;
}

static void on_closed(uv_handle_t *timer) {
    drop(timer->data);
}

void mu_roster_close(struct mu_roster **roster) {
    struct mu_roster *self = *roster;
    *roster = NULL;
    if (self == NULL) {
        return;
    }
    self->closing = true;
    uv_timer_stop(&self->timer);
    tell(self, 3, (const char *const[]){"HDEL", self->key, self->options.config->coordinator.id},
         on_written);
    uv_close((uv_handle_t *)&self->timer, on_closed);
}
