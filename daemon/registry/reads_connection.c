/* reads_connection.c - CONNECTION: the record of one connection.
 *
 * With an instance: its incarnation, the record, and the incarnation again in one batch; the two
 * must be equal, or the record may be another incarnation's. Without: every registered instance is
 * asked first whether it has such a connection, in batches. Two may, as long as they do not meet in
 * a session: then the caller has to say which one it means.
 *
 * Records of the dead (ghosts) are not looked at.
 *
 * Ways to fail: those of read.h; UNKNOWN_INSTANCE, UNKNOWN_CONNECTION, BAD_REQUEST as above,
 * UNAVAILABLE when the instance is being restarted at this moment.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "registry/names.h"
#include "registry/read_internal.h"

struct search {
    struct mu_names names;
    char instance[MU_ID_SIZE]; /* whose connection it is */
    char other[MU_ID_SIZE];    /* another one that has such a connection */
    char before[MU_ID_SIZE];   /* its incarnation */
};

static void free_search(void *state) {
    struct search *search = state;
    if (search) {
        mu_names_deinit(&search->names);
        free(search);
    }
}

static void nothing_more(struct mu_read *self) {
    (void)self;
}

static void unknown(struct mu_read *self) {
    mu_read_fail(self, MUSTER_UNKNOWN_CONNECTION, "connection '%s' is not registered",
                 self->arguments[0].data);
}

/* ---- the record ---- */

static void put_sessions(struct mu_read *self, struct muster_text list, const char *key) {
    mu_read_printf(self, ",\"sessions\":[");
    const char *at = list.data;
    const char *end = list.data + list.length;
    while (at < end) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        size_t length = (size_t)((comma ? comma : end) - at);
        if (!mu_id_valid(at, length)) {
            mu_read_damaged(self, key, "holds a record with a session that is no id");
            return;
        }
        mu_read_printf(self, "%s\"%.*s\"", at > list.data ? "," : "", (int)length, at);
        at += length + 1;
    }
    mu_read_put(self, "]", 1);
}

static void put_record(struct mu_read *self, const redisReply *reply, const char *key) {
    const struct search *search = self->state;
    struct mu_record record;
    if (!mu_read_text(reply) || !mu_record_parse(reply->str, (size_t)reply->len, &record)) {
        mu_read_damaged(self, key, "holds a record that cannot be read");
        return;
    }
    mu_read_printf(self, "{\"connection\":\"%s\",\"instance\":\"%s\",\"incarnation\":\"%s\"",
                   self->arguments[0].data, search->instance, search->before);
    if (record.user.length > 0) {
        mu_read_printf(self, ",\"user\":\"%.*s\"", (int)record.user.length, record.user.data);
    } else {
        mu_read_printf(self, ",\"user\":null");
    }
    if (record.holder.length > 0) {
        mu_read_printf(self, ",\"holder\":\"%.*s\"", (int)record.holder.length, record.holder.data);
    }
    mu_read_printf(self, ",\"profile\":");
    mu_read_put(self, record.profile.data, record.profile.length);
    put_sessions(self, record.sessions, key);
    mu_read_printf(self, ",\"connected_at\":%" PRIu64 ",\"away_until\":", record.connected_at);
    if (record.until > 0) {
        mu_read_printf(self, "%" PRIu64 "}", record.until);
    } else {
        mu_read_printf(self, "null}");
    }
}

static void record_step(struct mu_read *self, const redisReply *reply, const char *key) {
    struct search *search = self->state;
    const char *text = mu_read_text(reply);
    if (self->index == 1) {
        if (reply->type == REDIS_REPLY_NIL) {
            unknown(self);
        } else {
            put_record(self, reply, key);
        }
    } else if (!text && self->index == 0) {
        mu_read_fail(self, MUSTER_UNKNOWN_INSTANCE, "instance '%s' is not registered",
                     search->instance);
    } else if (text && !mu_id_valid(text, (size_t)reply->len)) {
        mu_read_damaged(self, key, "has an incarnation that is no id");
    } else if (self->index == 0) {
        memcpy(search->before, text, (size_t)reply->len + 1);
    } else if (!mu_read_is(reply, search->before)) {
        mu_read_fail(self, MUSTER_UNAVAILABLE, "instance '%s' is being restarted; ask again",
                     search->instance);
    }
}

static void ask_record(struct mu_read *self) {
    const struct search *search = self->state;
    char key[MU_KEY_SIZE], records[MU_KEY_SIZE];
    self->step = record_step;
    self->done = nothing_more;
    mu_read_key(self, key, "instance:%s", search->instance);
    mu_read_key(self, records, "instance:%s:connections", search->instance);
    mu_read_send(self, key, "HGET", "incarnation");
    mu_read_send(self, records, "HGET", self->arguments[0].data);
    mu_read_send(self, key, "HGET", "incarnation");
}

/* ---- the search ---- */

static void search_step(struct mu_read *self, const redisReply *reply, const char *key) {
    struct search *search = self->state;
    const char *id = search->names.items[search->names.seen++].id;
    if (mu_read_number(self, reply, key, 0) == 0) {
        return;
    }
    char *place = search->instance[0] == '\0' ? search->instance : search->other;
    memcpy(place, id, strlen(id) + 1);
}

static void ask_whether(struct mu_read *self, const char *id) {
    char key[MU_KEY_SIZE];
    mu_read_send(self, mu_read_key(self, key, "instance:%s:connections", id), "HEXISTS",
                 self->arguments[0].data);
}

static void next_batch(struct mu_read *self) {
    struct search *search = self->state;
    self->step = search_step;
    if (mu_names_batch(self, &search->names, ask_whether)) {
        return;
    }
    if (search->instance[0] == '\0') {
        unknown(self);
    } else if (search->other[0] != '\0') {
        mu_read_fail(self, MUSTER_BAD_REQUEST,
                     "instances '%s' and '%s' both have a connection '%s': name the instance",
                     search->instance, search->other, self->arguments[0].data);
    } else {
        ask_record(self);
    }
}

static void list_step(struct mu_read *self, const redisReply *reply, const char *key) {
    struct search *search = self->state;
    mu_names_take_instances(self, &search->names, reply, key);
}

void mu_read_connection(struct mu_read *self) {
    struct search *search = mu_calloc(1, sizeof *search);
    self->state = search;
    self->free_state = free_search;
    if (self->count > 1) {
        memcpy(search->instance, self->arguments[1].data, self->arguments[1].length + 1);
        ask_record(self);
        return;
    }
    self->step = list_step;
    self->done = next_batch;
    mu_names_ask_instances(self);
}
