#include "redis/managed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "redis/command.h"
#include "redis/managed_internal.h"

#define TICK_MS 500
#define CONNECT_MS 2000    /* for the probe */
#define PROBE_MIN_MS 20    /* between two probes of a server that starts */
#define PROBE_MAX_MS 400   /* the same, later on */
#define START_MIN_MS 100   /* between two attempts to start that fail */
#define START_MAX_MS 10000 /* the same, later on */
#define REPEAT_MS 30000    /* the same kind of failure is told again after this long */
#define PATIENCE_MS 10000  /* a server that does not answer yet is no failure for so long */
#define TAIL_SIZE 600

/* Work for the pool. */
struct mu_managed_job {
    uv_work_t request;
    struct mu_managed *owner;
    bool lock; /* else prepare */
    bool check_program;
    int lock_fd; /* -1: another process has it */
    enum mu_managed_failure failure;
    struct mu_error error;
};

static void begin_job(struct mu_managed *self, bool lock);
static void on_tick(uv_timer_t *timer);

static uint64_t now_ms(void) {
    return mu_clock_monotonic_us() / 1000;
}

static void fail(struct mu_managed *self, enum mu_managed_failure failure,
                 const struct mu_error *error) {
    uint64_t now = now_ms();
    if (self->closing || (failure == self->told && now - self->told_at < REPEAT_MS)) {
        return;
    }
    self->told = failure;
    self->told_at = now;
    if (self->options.on_failed) {
        self->options.on_failed(self->options.context, error);
    }
}

static void still_waiting(struct mu_managed *self, const struct mu_error *reason) {
    if (now_ms() - self->waiting_since >= PATIENCE_MS) {
        fail(self, SILENT, reason);
    }
}

/* ---- questions ---- */

void mu_managed_ask(struct mu_managed *self, enum mu_managed_question question, size_t count,
                    const char *const *arguments) {
    mu_buffer_clear(&self->output);
    mu_command_append(&self->output, count, arguments);
    self->asked = question;
    self->asked_at = now_ms();
    mu_connection_turn(self->connection);
}

static int server_pid(const redisReply *info) {
    static const char field[] = "process_id:";
    const char *found = info->type == REDIS_REPLY_STRING ? strstr(info->str, field) : NULL;
    return found ? (int)strtol(found + strlen(field), NULL, 10) : 0;
}

static void become_ready(struct mu_managed *self, const redisReply *info) {
    int pid = server_pid(info);
    self->state = MU_MANAGED_READY;
    self->failed_starts = 0;
    self->start_not_before = 0;
    self->told = NO_FAILURE;
    if (pid != self->known_pid) {
        MU_LOG(self->options.log, MU_LOG_INFO, "redis.adopted", MU_INT("pid", pid));
        self->known_pid = pid;
    }
    if (self->options.on_ready) {
        self->options.on_ready(self->options.context, &self->address);
    }
}

static void on_connected(void *context) {
    struct mu_managed *self = context;
    self->asked = NOTHING;
    if (!self->closing) {
        mu_managed_ask(self, INFO, 2, (const char *const[]){"INFO", "server"});
    }
}

static void on_reply(void *context, const redisReply *reply) {
    struct mu_managed *self = context;
    enum mu_managed_question asked = self->asked;
    self->asked = NOTHING;
    self->late = false;
    if (self->closing) {
        mu_managed_end_reply(self, asked, reply);
    } else if (asked == INFO) {
        become_ready(self, reply);
    }
}

static void on_down(void *context, const struct mu_error *reason, bool answered) {
    struct mu_managed *self = context;
    self->asked = NOTHING;
    if (self->closing) {
        uv_timer_start(&self->timer, on_tick, 0, 0);
        return;
    }
    if (answered && self->state != MU_MANAGED_READY) {
        self->answered = true;
        if (reason->status == MUSTER_UNAUTHENTICATED) {
            struct mu_error error = *reason;
            mu_error_prefix(&error, "another server has the socket");
            fail(self, REFUSED, &error);
        } else {
            still_waiting(self, reason);
        }
    } else if (self->state == MU_MANAGED_READY) {
        /* Whatever was the matter: it is gone if nobody holds the lock. */
        self->waiting_since = now_ms();
        begin_job(self, true);
    } else if (self->state == MU_MANAGED_STARTING) {
        still_waiting(self, reason);
    } else if (self->state == MU_MANAGED_PROBING && now_ms() >= self->start_not_before) {
        begin_job(self, true);
    }
}

static void on_turn(void *context) {
    struct mu_managed *self = context;
    if (self->output.length > 0 && mu_connection_can_write(self->connection)) {
        mu_connection_write(self->connection, &self->output);
    }
}

/* ---- the child ---- */

void mu_managed_child_closed(uv_handle_t *handle) {
    free(handle->data);
}

static void start_failed(struct mu_managed *self, enum mu_managed_failure failure,
                         const struct mu_error *error) {
    uint64_t wait = START_MIN_MS;
    for (unsigned i = 0; i < self->failed_starts && wait < START_MAX_MS; i++) {
        wait *= 2;
    }
    self->failed_starts++;
    self->start_not_before = now_ms() + (wait > START_MAX_MS ? START_MAX_MS : wait);
    self->state = MU_MANAGED_PROBING;
    fail(self, failure, error);
}

static void child_exited(uv_process_t *process, int64_t status, int signal_number) {
    struct mu_managed_child *child = process->data;
    struct mu_managed *self = child->owner;
    uv_close((uv_handle_t *)process, mu_managed_child_closed);
    if (!self) {
        return;
    }
    self->child = NULL;
    MU_LOG(self->options.log, self->closing ? MU_LOG_INFO : MU_LOG_WARN, "redis.exited",
           MU_INT("pid", process->pid), MU_INT("status", status), MU_INT("signal", signal_number));
    if (self->closing) {
        uv_timer_start(&self->timer, on_tick, 0, 0);
    } else if (self->state == MU_MANAGED_STARTING) {
        char tail[TAIL_SIZE];
        struct mu_error error;
        mu_managed_log_tail(&self->files, self->log_from, tail, sizeof tail);
        mu_error_set(&error, MUSTER_UNAVAILABLE, "%s ended at once (%s %d): %s%s", self->server,
                     signal_number ? "signal" : "exit status",
                     signal_number ? signal_number : (int)status,
                     strstr(tail, "Address already in use") ? "the port is taken: " : "",
                     tail[0] ? tail : "it logged nothing");
        start_failed(self, BAD_START, &error);
    }
}

/* Starts the server with the lock as its descriptor 3. */
static void start_server(struct mu_managed *self, int lock_fd) {
    struct mu_error error;
    struct mu_managed_child *child = mu_calloc(1, sizeof *child);
    int log_fd = mu_managed_open_log(&self->files, &self->log_from);
    uv_stdio_container_t stdio[4] = {
        {.flags = UV_IGNORE},
        {.flags = log_fd >= 0 ? UV_INHERIT_FD : UV_IGNORE, .data.fd = log_fd},
        {.flags = log_fd >= 0 ? UV_INHERIT_FD : UV_IGNORE, .data.fd = log_fd},
        {.flags = UV_INHERIT_FD, .data.fd = lock_fd},
    };
    char *arguments[] = {self->server, self->files.configuration, NULL};
    uv_process_options_t options = {
        .exit_cb = child_exited,
        .file = self->server,
        .args = arguments,
        .cwd = self->files.directory,
        .flags = UV_PROCESS_DETACHED,
        .stdio_count = 4,
        .stdio = stdio,
    };
    child->owner = self;
    child->process.data = child;
    int result = uv_spawn(self->loop, &child->process, &options);
    if (log_fd >= 0) {
        close(log_fd);
    }
    if (result < 0) {
        uv_close((uv_handle_t *)&child->process, mu_managed_child_closed);
        mu_error_set(&error, MUSTER_UNAVAILABLE, "cannot start %s: %s", self->server,
                     uv_strerror(result));
        start_failed(self, BAD_START, &error);
        return;
    }
    self->child = child;
    self->state = MU_MANAGED_STARTING;
    self->known_pid = child->process.pid;
    MU_LOG(self->options.log, MU_LOG_INFO, "redis.started", MU_INT("pid", self->known_pid));
}

/* ---- work in the pool ---- */

static void work(uv_work_t *request) {
    struct mu_managed_job *job = request->data;
    struct mu_managed *self = job->owner;
    if (!job->lock) {
        job->failure = BAD_DIRECTORY;
        if (mu_managed_files_prepare(self->state_dir, &self->files, &job->error) == MUSTER_OK) {
            job->failure = NO_FAILURE;
        }
        return;
    }
    job->failure = BAD_SERVER;
    if (job->check_program && mu_managed_check_program(self->server, &job->error) != MUSTER_OK) {
        return;
    }
    job->failure = BAD_DIRECTORY;
    if (mu_managed_try_lock(&self->files, &job->lock_fd, &job->error) != MUSTER_OK) {
        return;
    }
    if (job->lock_fd < 0 ||
        mu_managed_write_configuration(&self->files, self->options.port, self->appendfsync,
                                       &job->error) == MUSTER_OK) {
        job->failure = NO_FAILURE;
    }
}

static void prepared(struct mu_managed *self) {
    self->address.path = mu_strdup(self->files.socket);
    self->address.password = mu_strdup(self->files.password);
    struct mu_connection_options options = {
        .address = &self->address,
        .client_name = self->client_name,
        .connect_timeout_ms = CONNECT_MS,
        .retry_min_ms = PROBE_MIN_MS,
        .retry_max_ms = PROBE_MAX_MS,
        .context = self,
        .on_connected = on_connected,
        .on_reply = on_reply,
        .on_down = on_down,
        .on_turn = on_turn,
    };
    self->state = MU_MANAGED_PROBING;
    self->connection = mu_connection_create(self->loop, &options);
}

static void locked(struct mu_managed *self, int lock_fd) {
    bool wanted = self->state == MU_MANAGED_LOCKING;
    self->program_checked = true;
    if (wanted) {
        self->state = MU_MANAGED_PROBING;
    }
    if (lock_fd < 0) {
        /* Somebody has it: a server that starts or hangs, or one that is being started. */
        struct mu_error error;
        mu_error_set(&error, MUSTER_UNAVAILABLE,
                     "the redis-server of %s runs (redis.lock is held), but does not answer",
                     self->files.directory);
        if (wanted) {
            still_waiting(self, &error);
        }
        return;
    }
    /* The exit of a child that has just ended is told before the next is started. */
    if (wanted && !self->child && !self->answered && !mu_connection_is_up(self->connection)) {
        start_server(self, lock_fd);
    }
    close(lock_fd); /* the server has its own; or one has answered meanwhile */
}

static void work_done(uv_work_t *request, int status) {
    struct mu_managed_job *job = request->data;
    struct mu_managed *self = job->owner;
    self->job = NULL;
    if (self->closing || status < 0) {
        if (job->lock_fd >= 0) {
            close(job->lock_fd);
        }
        mu_managed_end_step(self);
    } else if (job->failure != NO_FAILURE) {
        if (job->lock_fd >= 0) {
            close(job->lock_fd);
        }
        if (!job->lock) {
            fail(self, job->failure, &job->error);
        } else if (self->state == MU_MANAGED_LOCKING) {
            start_failed(self, job->failure, &job->error);
        }
    } else if (!job->lock) {
        prepared(self);
    } else {
        locked(self, job->lock_fd);
    }
    free(job);
}

static void begin_job(struct mu_managed *self, bool lock) {
    if (self->job) {
        return;
    }
    struct mu_managed_job *job = mu_calloc(1, sizeof *job);
    job->request.data = job;
    job->owner = self;
    job->lock = lock;
    job->check_program = !self->program_checked;
    job->lock_fd = -1;
    self->job = job;
    self->answered = false;
    self->state = lock ? MU_MANAGED_LOCKING : MU_MANAGED_PREPARING;
    if (uv_queue_work(self->loop, &job->request, work, work_done) != 0) {
        abort(); /* only for a missing callback */
    }
}

/* ---- supervision and the end ---- */

static void supervise(struct mu_managed *self) {
    if (self->state == MU_MANAGED_PREPARING && !self->job) {
        begin_job(self, false);
    }
    if (!self->connection || !mu_connection_is_up(self->connection)) {
        return;
    }
    if (self->asked == NOTHING) {
        mu_managed_ask(self, PING, 1, (const char *const[]){"PING"});
    } else if (now_ms() - self->asked_at <= MU_MANAGED_ANSWER_MS) {
        self->late = false;
    } else if (self->late) {
        mu_connection_end(self->connection, "no answer in %d ms", MU_MANAGED_ANSWER_MS);
    } else {
        self->late = true; /* if the loop was late itself, the answer is there in the next tick */
    }
}

static void on_tick(uv_timer_t *timer) {
    struct mu_managed *self = timer->data;
    if (self->closing) {
        mu_managed_end_step(self);
    } else {
        supervise(self);
        uv_timer_start(timer, on_tick, TICK_MS, 0);
    }
}

/* ---- what the owner calls ---- */

struct mu_managed *mu_managed_create(uv_loop_t *loop, const struct mu_managed_options *options) {
    struct mu_managed *self = mu_calloc(1, sizeof *self);
    self->loop = loop;
    self->options = *options;
    self->state_dir = mu_strdup(options->state_dir);
    self->server = mu_strdup(options->server ? options->server : "redis-server");
    self->appendfsync = mu_strdup(options->appendfsync ? options->appendfsync : "everysec");
    char id[MU_RANDOM_ID_SIZE];
    mu_random_id(id);
    snprintf(self->client_name, sizeof self->client_name, "%smanaged:%s", MU_MANAGED_PREFIX, id);
    mu_buffer_init(&self->output, 0);
    uv_timer_init(loop, &self->timer);
    self->timer.data = self;
    self->waiting_since = now_ms();
    uv_timer_start(&self->timer, on_tick, 0, 0);
    return self;
}

enum muster_status mu_managed_address(const char *state_dir, struct mu_redis_address *address,
                                      struct mu_error *error) {
    struct mu_managed_files files;
    memset(address, 0, sizeof *address);
    enum muster_status status = mu_managed_files_read(state_dir, &files, error);
    if (status == MUSTER_OK) {
        address->path = mu_strdup(files.socket);
        address->password = mu_strdup(files.password);
        mu_managed_files_deinit(&files);
    }
    return status;
}

void mu_managed_close(struct mu_managed **managed, bool stop_server, void (*closed)(void *context),
                      void *context) {
    struct mu_managed *self = *managed;
    *managed = NULL;
    if (!self) {
        return;
    }
    self->closing = true;
    self->stop_server = stop_server;
    self->closed = closed;
    self->closed_context = context;
    uv_timer_start(&self->timer, on_tick, 0, 0);
}
