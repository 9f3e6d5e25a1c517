#include "redis/library.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#define REDIS_MAJOR_NEEDED 7

/* The version does not depend on a namespace; the functions want one all the same. */
#define VERSION_KEY "{muster}"

struct ensure {
    struct mu_link *link;
    void (*done)(void *context, const struct mu_error *error, bool loaded);
    void *context;
};

static void end(struct ensure *self, const struct mu_error *error, bool loaded) {
    struct ensure copy = *self;
    free(self);
    copy.done(copy.context, error, loaded);
}

static void end_with(struct ensure *self, enum muster_status status, const char *text) {
    struct mu_error error;
    mu_error_set(&error, status, "%s", text);
    end(self, &error, false);
}

static void end_with_reply(struct ensure *self, const redisReply *reply, const char *what) {
    struct mu_error error;
    mu_error_set(&error, MUSTER_UNAVAILABLE, "%s: %s", what,
                 reply->type == REDIS_REPLY_ERROR ? reply->str : "an answer of an unexpected type");
    end(self, &error, false);
}

/* The connection goes or the link closes: nothing is told, as the header says. */
static void next(struct ensure *self, size_t count, const char *const *arguments,
                 const size_t *lengths, mu_link_reply_cb callback) {
    if (mu_link_prepare_command(self->link, count, arguments, lengths, callback, self) !=
        MUSTER_OK) {
        free(self);
    }
}

static void on_loaded(void *context, enum muster_status status, const redisReply *reply,
                      const struct mu_error *error) {
    struct ensure *self = context;
    (void)error;
    if (status != MUSTER_OK) {
        free(self);
    } else if (reply->type == REDIS_REPLY_ERROR) {
        end_with_reply(self, reply, "the functions library cannot be loaded");
    } else {
        struct mu_error none = {.status = MUSTER_OK};
        end(self, &none, true);
    }
}

static void load(struct ensure *self) {
    const char *arguments[] = {"FUNCTION", "LOAD", "REPLACE", (const char *)mu_library_text};
    size_t lengths[] = {8, 4, 7, mu_library_length};
    next(self, 4, arguments, lengths, on_loaded);
}

static void judge(struct ensure *self, const redisReply *reply) {
    json_t *json = json_loadb(reply->str, (size_t)reply->len, JSON_REJECT_DUPLICATES, NULL);
    json_int_t version = 0;
    json_int_t min_reader = 0;
    int result = json_unpack(json, "{s:I,s:I}", "version", &version, "min_reader", &min_reader);
    json_decref(json);
    if (result != 0) {
        end_with(self, MUSTER_UNAVAILABLE,
                 "the functions library in Redis does not tell its version");
    } else if (version < MU_LIBRARY_VERSION) {
        load(self);
    } else if (min_reader > MU_LIBRARY_VERSION) {
        struct mu_error error;
        mu_error_set(&error, MUSTER_UNAVAILABLE,
                     "the functions library in Redis is of version %lld and wants programs of "
                     "version %lld or later; this one is of version %d: update it",
                     (long long)version, (long long)min_reader, MU_LIBRARY_VERSION);
        end(self, &error, false);
    } else {
        struct mu_error none = {.status = MUSTER_OK};
        end(self, &none, false);
    }
}

static void on_version(void *context, enum muster_status status, const redisReply *reply,
                       const struct mu_error *error) {
    struct ensure *self = context;
    (void)error;
    if (status != MUSTER_OK) {
        free(self);
    } else if (reply->type == REDIS_REPLY_STRING) {
        judge(self, reply);
    } else if (reply->type == REDIS_REPLY_ERROR && strstr(reply->str, "Function not found")) {
        load(self);
    } else {
        end_with_reply(self, reply, "the version of the functions library cannot be read");
    }
}

static void ask_version(struct ensure *self) {
    next(self, 4, (const char *const[]){"FCALL", "muster_version", "1", VERSION_KEY}, NULL,
         on_version);
}

static void on_info(void *context, enum muster_status status, const redisReply *reply,
                    const struct mu_error *error) {
    static const char field[] = "redis_version:";
    struct ensure *self = context;
    (void)error;
    if (status != MUSTER_OK) {
        free(self);
        return;
    }
    if (reply->type == REDIS_REPLY_ERROR && strncmp(reply->str, "NOPERM", 6) == 0) {
        ask_version(self); /* an ACL hides it; an old server refuses what follows anyway */
        return;
    }
    if (reply->type == REDIS_REPLY_ERROR) {
        end_with_reply(self, reply, "the version of Redis cannot be read");
        return;
    }
    const char *found = reply->str ? strstr(reply->str, field) : NULL;
    long major = found ? strtol(found + strlen(field), NULL, 10) : 0;
    if (major >= REDIS_MAJOR_NEEDED) {
        ask_version(self);
        return;
    }
    const char *version = found ? found + strlen(field) : "unknown";
    struct mu_error failure;
    mu_error_set(&failure, MUSTER_UNAVAILABLE,
                 "Redis is of version %.*s, but muster needs %d.0 or later (functions)",
                 (int)strcspn(version, "\r\n"), version, REDIS_MAJOR_NEEDED);
    end(self, &failure, false);
}

void mu_library_ensure(struct mu_link *link,
                       void (*done)(void *context, const struct mu_error *error, bool loaded),
                       void *context) {
    struct ensure *self = mu_calloc(1, sizeof *self);
    self->link = link;
    self->done = done;
    self->context = context;
    next(self, 2, (const char *const[]){"INFO", "server"}, NULL, on_info);
}
