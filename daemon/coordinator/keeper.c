#include "coordinator/keeper.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "coordinator/reply.h"
#include "redis/library.h"
#include "registry/call.h"

#define ATTEND_MS 2000

struct mu_keeper {
    struct mu_keeper_options options;
    uv_timer_t timer;
    char key[MU_KEY_SIZE]; /* {<namespace>} */
    char signal[MU_KEY_SIZE];
    uint64_t found;   /* the version in Redis, by the last answer */
    unsigned pending; /* answers that are due, and the timer */
    bool loading;
    bool active;
    bool closing;
};

bool mu_keeper_decide(const struct mu_attendance *attendance, uint64_t own, bool coordinates) {
    if (attendance->version == 0) {
        return false;
    }
    if (attendance->version < own) {
        return true;
    }
    return coordinates && attendance->version > own && attendance->settled &&
           attendance->newest <= own;
}

static void drop(struct mu_keeper *self) {
    if (--self->pending == 0) {
        free(self);
    }
}

static bool tell(struct mu_keeper *self, size_t count, const char *const *words,
                 const size_t *lengths, mu_link_reply_cb callback) {
    self->pending++;
    if (mu_link_command_now(self->options.link, count, words, lengths, callback, self) !=
        MUSTER_OK) {
        self->pending--;
        return false;
    }
    return true;
}

static void on_ignored(void *context, enum muster_status status, const redisReply *reply,
                       const struct mu_error *error) {
    (void)status;
    (void)reply;
    (void)error;
    drop(context);
}

/* To who coordinates: nothing is confirmed for the new library; better now than with the next
 * renewal. */
static void announce(struct mu_keeper *self) {
    tell(self, 3, (const char *const[]){"PUBLISH", self->signal, "{\"signal\":\"library\"}"}, NULL,
         on_ignored);
}

/* ---- another library ---- */

static void on_loaded(void *context, enum muster_status status, const redisReply *reply,
                      const struct mu_error *error) {
    struct mu_keeper *self = context;
    (void)error;
    self->loading = false;
    if (status == MUSTER_OK && reply->type == REDIS_REPLY_ERROR) {
        MU_LOG(self->options.log, MU_LOG_ERROR, "library.refused", MU_STR("error", reply->str));
    } else if (status == MUSTER_OK) {
        bool lowered = self->found > MU_LIBRARY_VERSION;
        MU_LOG(self->options.log, MU_LOG_WARN, lowered ? "library.lowered" : "library.raised",
               MU_INT("from", self->found), MU_INT("to", MU_LIBRARY_VERSION),
               MU_STR("message", lowered ? "no daemon that brings the newer one is about any more"
                                         : "an older one was loaded over ours"));
        if (!self->closing) {
            announce(self);
        }
    }
    drop(self);
}

static void load(struct mu_keeper *self) {
    const char *words[] = {"FUNCTION", "LOAD", "REPLACE", (const char *)mu_library_text};
    const size_t lengths[] = {8, 4, 7, mu_library_length};
    self->loading = tell(self, 4, words, lengths, on_loaded);
}

/* ---- attending ---- */

static struct mu_attendance read_answer(const redisReply *reply) {
    struct mu_attendance attendance = {0};
    json_t *object =
        reply->type == REDIS_REPLY_STRING ? mu_reply_parse(reply->str, (size_t)reply->len) : NULL;
    if (object != NULL) {
        attendance.version = mu_reply_number(object, "version");
        attendance.newest = mu_reply_number(object, "newest");
        attendance.settled = mu_reply_true(object, "settled");
        json_decref(object);
    }
    return attendance;
}

static void on_attended(void *context, enum muster_status status, const redisReply *reply,
                        const struct mu_error *error) {
    struct mu_keeper *self = context;
    (void)error;
    if (status == MUSTER_OK && !self->closing && !self->loading) {
        struct mu_attendance attendance = read_answer(reply);
        self->found = attendance.version;
        if (mu_keeper_decide(&attendance, MU_LIBRARY_VERSION, self->active)) {
            load(self);
        }
    }
    drop(self);
}

static void attend(struct mu_keeper *self, uint64_t version, mu_link_reply_cb callback) {
    char number[24];
    snprintf(number, sizeof number, "%" PRIu64, version);
    tell(self, 6,
         (const char *const[]){"FCALL", "muster_attend", "1", self->key,
                               self->options.config->coordinator.id, number},
         NULL, callback);
}

static void on_timer(uv_timer_t *timer) {
    attend(timer->data, MU_LIBRARY_VERSION, on_attended);
}

/* ---- life ---- */

struct mu_keeper *mu_keeper_create(uv_loop_t *loop, const struct mu_keeper_options *options) {
    struct mu_keeper *self = mu_calloc(1, sizeof *self);
    self->options = *options;
    self->pending = 1;
    snprintf(self->key, sizeof self->key, "{%s}", options->config->name_space);
    mu_key(self->signal, options->config->name_space, "signal");
    uv_timer_init(loop, &self->timer);
    self->timer.data = self;
    return self;
}

void mu_keeper_up(struct mu_keeper *self, bool loaded) {
    if (loaded) {
        announce(self);
    }
    uv_timer_start(&self->timer, on_timer, 0, ATTEND_MS);
}

void mu_keeper_duty(struct mu_keeper *self, bool active) {
    self->active = active;
}

static void on_closed(uv_handle_t *timer) {
    drop(timer->data);
}

void mu_keeper_close(struct mu_keeper **keeper) {
    struct mu_keeper *self = *keeper;
    *keeper = NULL;
    if (self == NULL) {
        return;
    }
    self->closing = true;
    uv_timer_stop(&self->timer);
    attend(self, 0, on_ignored);
    uv_close((uv_handle_t *)&self->timer, on_closed);
}
