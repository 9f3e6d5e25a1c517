/* managed_stop.c - the end of a managed server.
 *
 * Without `stop_server`: only the supervision ends. With it: CLIENT LIST - is another daemon
 * connected? then the server stays - else SHUTDOWN, and wait until it has ended: our child is
 * reaped, or nobody holds the lock any more. A child that does not answer yet gets SIGTERM. One
 * that cannot be asked stays. There is a deadline for all of it.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "redis/managed_internal.h"

#define END_MS 20000
#define POLL_MS 50
/* Our own links may have been closed a moment ago and still be listed. */
#define LOOKS 6
#define LOOK_MS 100

static uint64_t now_ms(void) {
    return mu_clock_monotonic_us() / 1000;
}

static void part_closed(void *context) {
    struct mu_managed *self = context;
    void (*closed)(void *context) = self->closed;
    void *closed_context = self->closed_context;
    mu_managed_files_deinit(&self->files);
    mu_redis_address_deinit(&self->address);
    mu_buffer_deinit(&self->output);
    free(self->state_dir);
    free(self->server);
    free(self->appendfsync);
    free(self);
    if (closed) {
        closed(closed_context);
    }
}

static void timer_closed(uv_handle_t *handle) {
    part_closed(handle->data);
}

static void connection_closed(void *context) {
    struct mu_managed *self = context;
    uv_close((uv_handle_t *)&self->timer, timer_closed);
}

static void finish(struct mu_managed *self) {
    self->state = MU_MANAGED_CLOSED;
    uv_timer_stop(&self->timer);
    if (self->child) {
        self->child->owner = NULL;
        uv_close((uv_handle_t *)&self->child->process, mu_managed_child_closed);
        self->child = NULL;
    }
    if (self->connection) {
        mu_connection_close(&self->connection, connection_closed, self);
    } else {
        connection_closed(self);
    }
}

static void on_timer(uv_timer_t *timer) {
    mu_managed_end_step(timer->data);
}

static void again(struct mu_managed *self, uint64_t wait) {
    uv_timer_start(&self->timer, on_timer, wait, 0);
}

/* A line of CLIENT LIST: is it of another daemon? */
static bool is_other(const char *line, size_t length, const char *own) {
    static const char field[] = " name=";
    const char *found = memmem(line, length, field, strlen(field));
    if (!found) {
        return false;
    }
    const char *name = found + strlen(field);
    size_t size = strcspn(name, " \n");
    return strncmp(name, MU_MANAGED_PREFIX, strlen(MU_MANAGED_PREFIX)) == 0 &&
           (size != strlen(own) || memcmp(name, own, size) != 0);
}

static bool others_in(const redisReply *list, const char *own) {
    if (list->type != REDIS_REPLY_STRING) {
        return true; /* not to be known: better keep it */
    }
    for (const char *line = list->str; *line;) {
        size_t length = strcspn(line, "\n");
        if (is_other(line, length, own)) {
            return true;
        }
        line += length + (line[length] == '\n' ? 1 : 0);
    }
    return false;
}

void mu_managed_end_reply(struct mu_managed *self, enum mu_managed_question asked,
                          const redisReply *reply) {
    if (asked == CLIENTS) {
        self->in_use = others_in(reply, self->client_name);
        self->looks++;
        again(self, self->in_use && self->looks < LOOKS ? LOOK_MS : 0);
    } else if (asked == SHUTDOWN) {
        MU_LOG(self->options.log, MU_LOG_WARN, "redis.stop_refused",
               MU_STR("reason", reply->type == REDIS_REPLY_ERROR ? reply->str : "unknown"));
        self->end_by = 0;
        again(self, 0);
    } else {
        again(self, 0);
    }
}

static bool has_ended(struct mu_managed *self) {
    if (self->child) {
        return false; /* its exit will be told */
    }
    int fd = -1;
    struct mu_error error;
    if (mu_managed_try_lock(&self->files, &fd, &error) != MUSTER_OK) {
        return true; /* the directory is gone */
    }
    if (fd >= 0) {
        close(fd);
    }
    return fd >= 0;
}

static void begin(struct mu_managed *self) {
    if (self->stop_server && self->state == MU_MANAGED_STARTING && self->child) {
        uv_process_kill(&self->child->process, SIGTERM);
        self->shutdown_sent = true;
    } else if (!self->stop_server || self->state != MU_MANAGED_READY) {
        finish(self);
        return;
    }
    self->state = MU_MANAGED_ENDING;
    self->end_by = now_ms() + END_MS;
    again(self, 0);
}

static void look(struct mu_managed *self) {
    if (!mu_connection_is_up(self->connection)) {
        finish(self);
    } else if (self->looks == 0 || (self->in_use && self->looks < LOOKS)) {
        mu_managed_ask(self, CLIENTS, 2, (const char *const[]){"CLIENT", "LIST"});
        again(self, LOOK_MS);
    } else if (self->in_use) {
        MU_LOG(self->options.log, MU_LOG_INFO, "redis.kept", MU_INT("pid", self->known_pid),
               MU_STR("reason", "another daemon is connected"));
        finish(self);
    } else {
        self->shutdown_sent = true;
        mu_managed_ask(self, SHUTDOWN, 1, (const char *const[]){"SHUTDOWN"});
        again(self, POLL_MS);
    }
}

void mu_managed_end_step(struct mu_managed *self) {
    if (self->state == MU_MANAGED_CLOSED || self->job) {
        return; /* the end of the work in the pool comes back here */
    }
    if (self->state != MU_MANAGED_ENDING) {
        begin(self);
    } else if (now_ms() >= self->end_by) {
        if (self->end_by > 0) {
            MU_LOG(self->options.log, MU_LOG_WARN, "redis.not_ended",
                   MU_INT("pid", self->known_pid));
        }
        finish(self);
    } else if (self->shutdown_sent) {
        if (has_ended(self)) {
            MU_LOG(self->options.log, MU_LOG_INFO, "redis.stopped", MU_INT("pid", self->known_pid));
            finish(self);
        } else {
            again(self, POLL_MS);
        }
    } else if (self->asked == NOTHING) {
        look(self);
    } else if (now_ms() - self->asked_at > MU_MANAGED_ANSWER_MS) {
        finish(self); /* cannot be asked: it stays */
    } else {
        again(self, LOOK_MS);
    }
}
