#include "coordinator/prepare.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "redis/key_events.h"
#include "redis/library.h"

struct mu_preparer {
    struct mu_link *link;
    struct mu_log *log;
    mu_prepared_cb done;
    void *context;
    uint64_t failover;
    struct mu_prepared result;
};

static void end(struct mu_preparer *self, const struct mu_error *error) {
    self->done(self->context, error, &self->result);
}

/* When the connection went away nothing is told: the next one begins anew. */
static void next(struct mu_preparer *self, size_t count, const char *const *arguments,
                 mu_link_reply_cb callback) {
    (void)(mu_link_prepare_command(self->link, count, arguments, NULL, callback, self) ==
           MUSTER_OK);
}

/* The value of a CONFIG GET of one name; NULL when there is none. */
static const char *setting(const redisReply *reply) {
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
        reply->element[1]->type != REDIS_REPLY_STRING) {
        return NULL;
    }
    return reply->element[1]->str;
}

static void on_policy(void *context, enum muster_status status, const redisReply *reply,
                      const struct mu_error *error) {
    struct mu_preparer *self = context;
    (void)error;
    if (status != MUSTER_OK) {
        return;
    }
    const char *policy = setting(reply);
    if (policy == NULL) {
        MU_LOG(self->log, MU_LOG_WARN, "redis.policy_unknown",
               MU_STR("message", "maxmemory-policy cannot be read; it must be noeviction"));
    } else if (strcmp(policy, "noeviction") != 0) {
        MU_LOG(self->log, MU_LOG_ERROR, "redis.may_evict", MU_STR("policy", policy),
               MU_STR("message", "under this maxmemory-policy Redis may throw away members, leases "
                                 "and whole sessions; set it to noeviction"));
    }
    end(self, NULL);
}

static void ask_policy(struct mu_preparer *self) {
    next(self, 3, (const char *const[]){"CONFIG", "GET", "maxmemory-policy"}, on_policy);
}

static void notify_denied(struct mu_preparer *self, const char *text) {
    MU_LOG(self->log, MU_LOG_ERROR, "redis.no_key_events", MU_STR("error", text),
           MU_STR("message", "notify-keyspace-events cannot be set; it should hold KEgxe. Polling "
                             "goes on, a little slower"));
}

static void on_notify_set(void *context, enum muster_status status, const redisReply *reply,
                          const struct mu_error *error) {
    struct mu_preparer *self = context;
    (void)error;
    if (status != MUSTER_OK) {
        return;
    }
    if (reply->type == REDIS_REPLY_ERROR) {
        notify_denied(self, reply->str);
    }
    ask_policy(self);
}

static void on_notify(void *context, enum muster_status status, const redisReply *reply,
                      const struct mu_error *error) {
    struct mu_preparer *self = context;
    char merged[MU_KEY_EVENTS_SIZE];
    (void)error;
    if (status != MUSTER_OK) {
        return;
    }
    const char *present = setting(reply);
    if (present == NULL) {
        notify_denied(self, reply->type == REDIS_REPLY_ERROR ? reply->str : "unexpected answer");
        ask_policy(self);
    } else if (mu_key_events_merge(present, merged)) {
        next(self, 4, (const char *const[]){"CONFIG", "SET", "notify-keyspace-events", merged},
             on_notify_set);
    } else {
        ask_policy(self);
    }
}

static void on_library(void *context, const struct mu_error *error, bool loaded) {
    struct mu_preparer *self = context;
    if (error->status != MUSTER_OK) {
        end(self, error);
        return;
    }
    self->result.library_loaded = loaded;
    next(self, 3, (const char *const[]){"CONFIG", "GET", "notify-keyspace-events"}, on_notify);
}

/* The value of `name` in the text of INFO, up to the end of its line. */
static void info(const char *text, const char *name, char *out, size_t size) {
    out[0] = '\0';
    size_t length = strlen(name);
    for (const char *line = text; line != NULL && *line != '\0';) {
        const char *newline = strpbrk(line, "\r\n");
        size_t size_of_line = newline == NULL ? strlen(line) : (size_t)(newline - line);
        if (size_of_line > length && strncmp(line, name, length) == 0 && line[length] == ':') {
            snprintf(out, size, "%.*s", (int)(size_of_line - length - 1), line + length + 1);
            return;
        }
        line = newline == NULL ? NULL : newline + strspn(newline, "\r\n");
    }
}

/* A promotion makes a new replication id and keeps the old one as the second, which is all zeros on
 * a server that was never a replica. */
static void add_promotion(const char *text, char *run, size_t size) {
    char id[48];
    char second[48];
    info(text, "master_replid", id, sizeof id);
    info(text, "master_replid2", second, sizeof second);
    size_t used = strlen(run);
    if (used > 0 && strspn(second, "0") < strlen(second)) {
        snprintf(run + used, size - used, ".%s", id);
    }
}

static void add_failover(uint64_t failover, char *run, size_t size) {
    size_t used = strlen(run);
    if (used > 0 && failover > 0) {
        snprintf(run + used, size - used, "@%" PRIu64, failover);
    }
}

static void refuse(struct mu_preparer *self, const char *text) {
    struct mu_error error;
    mu_error_set(&error, MUSTER_UNAVAILABLE, "%s", text);
    end(self, &error);
}

static void on_info(void *context, enum muster_status status, const redisReply *reply,
                    const struct mu_error *error) {
    struct mu_preparer *self = context;
    char value[64];
    (void)error;
    if (status != MUSTER_OK) {
        return;
    }
    const char *text = reply->type == REDIS_REPLY_STRING ? reply->str : "";
    info(text, "role", value, sizeof value);
    if (strcmp(value, "slave") == 0) {
        self->result.replica = true;
        refuse(self, "this Redis is a replica; the primary is needed");
        return;
    }
    info(text, "loading", value, sizeof value);
    if (strcmp(value, "1") == 0) {
        refuse(self, "this Redis is still loading its data");
        return;
    }
    info(text, "redis_version", self->result.version, sizeof self->result.version);
    info(text, "redis_mode", value, sizeof value);
    self->result.cluster = strcmp(value, "cluster") == 0;
    info(text, "run_id", self->result.run, sizeof self->result.run);
    add_promotion(text, self->result.run, sizeof self->result.run);
    add_failover(self->failover, self->result.run, sizeof self->result.run);
    if (!mu_id_valid(self->result.run, strlen(self->result.run))) {
        char random[MU_RANDOM_ID_SIZE];
        mu_random_id(random);
        snprintf(self->result.run, sizeof self->result.run, "unknown-%s", random);
        MU_LOG(self->log, MU_LOG_ERROR, "redis.no_run_id",
               MU_STR("error", reply->type == REDIS_REPLY_ERROR ? reply->str : ""),
               MU_STR("message", "INFO cannot be read, so every new connection counts as a server "
                                 "that may have lost data: all instances start again each time"));
    }
    mu_library_ensure(self->link, on_library, self);
}

struct mu_preparer *mu_preparer_create(struct mu_log *log, mu_prepared_cb done, void *context) {
    struct mu_preparer *self = mu_calloc(1, sizeof *self);
    self->log = log;
    self->done = done;
    self->context = context;
    return self;
}

void mu_preparer_destroy(struct mu_preparer **preparer) {
    free(*preparer);
    *preparer = NULL;
}

void mu_preparer_begin(struct mu_preparer *self, struct mu_link *link, uint64_t failover) {
    self->link = link;
    self->failover = failover;
    memset(&self->result, 0, sizeof self->result);
    next(self, 4, (const char *const[]){"INFO", "server", "replication", "persistence"}, on_info);
}
