/* reads_session.c - COUNT ISMEMBER LEADER CHECK SESSION: a few fields of a session.
 *
 * Each is one batch. LEADER, CHECK and SESSION also read the present generation: who led before
 * Redis lost data does not lead until the session was written to again. Whether the generation is
 * read before or after the session does not matter: generations never come back, so if the two
 * agree, the answer held at the earlier of the two moments.
 *
 * Ways to fail: those of read.h; UNKNOWN_SESSION from SESSION.
 */
#include <string.h>

#include "base/alloc.h"
#include "registry/read_internal.h"

static void nothing_more(struct mu_read *self) {
    (void)self;
}

static char *session_key(struct mu_read *self, char key[MU_KEY_SIZE]) {
    return mu_read_key(self, key, "session:%s", self->arguments[0].data);
}

/* ---- COUNT ---- */

static void count_step(struct mu_read *self, const redisReply *reply, const char *key) {
    uint64_t count = mu_read_number(self, reply, key, 0);
    if (self->count == 1) {
        mu_read_printf(self, "%" PRIu64, count);
    } else {
        mu_read_printf(self, "%s%" PRIu64 "%s", self->index == 0 ? "[" : ",", count,
                       self->index + 1 == self->count ? "]" : "");
    }
}

void mu_read_count(struct mu_read *self) {
    char key[MU_KEY_SIZE];
    self->step = count_step;
    self->done = nothing_more;
    for (size_t i = 0; i < self->count; i++) {
        mu_read_key(self, key, "session:%s", self->arguments[i].data);
        mu_read_send(self, key, "HGET", "#count");
    }
}

/* ---- ISMEMBER ---- */

static void ismember_step(struct mu_read *self, const redisReply *reply, const char *key) {
    mu_read_printf(self, "%d", mu_read_number(self, reply, key, 0) != 0);
}

void mu_read_ismember(struct mu_read *self) {
    char key[MU_KEY_SIZE];
    self->step = ismember_step;
    self->done = nothing_more;
    mu_read_send(self, session_key(self, key), "HEXISTS", self->arguments[1].data);
}

/* ---- LEADER and CHECK ---- */

/* The fields in the order of the HMGET. */
enum { LEADER, TERM, GEN };

static void ask_leader(struct mu_read *self) {
    char key[MU_KEY_SIZE];
    self->state = mu_calloc(1, sizeof(struct mu_generation));
    self->done = nothing_more;
    mu_generation_ask(self);
    mu_read_send(self, session_key(self, key), "HMGET", "#leader", "#term", "#gen");
}

static void leader_step(struct mu_read *self, const redisReply *reply, const char *key) {
    if (self->index == 0) {
        mu_generation_take(self, self->state, reply, key);
        return;
    }
    bool present = mu_generation_is(self->state, mu_read_at(reply, GEN));
    mu_read_printf(self, "{\"session\":\"%s\",\"leader\":", self->arguments[0].data);
    mu_read_put_id(self, present ? mu_read_at(reply, LEADER) : NULL, key);
    mu_read_printf(self, ",\"term\":%" PRIu64 "}",
                   mu_read_number(self, mu_read_at(reply, TERM), key, 0));
}

void mu_read_leader(struct mu_read *self) {
    self->step = leader_step;
    ask_leader(self);
}

static void check_step(struct mu_read *self, const redisReply *reply, const char *key) {
    if (self->index == 0) {
        mu_generation_take(self, self->state, reply, key);
        return;
    }
    const redisReply *leader = mu_read_at(reply, LEADER);
    const struct muster_text *text = &self->arguments[1];
    uint64_t term = 0;
    uint64_t present = mu_read_number(self, mu_read_at(reply, TERM), key, 0);
    bool holds = mu_generation_is(self->state, mu_read_at(reply, GEN)) && leader &&
                 leader->len > 0 && mu_whole_number(text->data, text->length, &term) &&
                 term == present;
    mu_read_printf(self, "%d", holds);
}

void mu_read_check(struct mu_read *self) {
    uint64_t term = 0;
    if (!mu_whole_number(self->arguments[1].data, self->arguments[1].length, &term)) {
        mu_read_fail(self, MUSTER_BAD_REQUEST, "term must be a whole number");
        return;
    }
    self->step = check_step;
    ask_leader(self);
}

/* ---- SESSION ---- */

enum { S_SEQ, S_COUNT, S_ANONYMOUS, S_LEADER, S_TERM, S_GEN, S_LIMIT, S_KEEP, S_META };

struct session {
    struct mu_generation generation;
    uint64_t users;
    uint64_t opened_at;
};

static void session_head(struct mu_read *self, const redisReply *reply, const char *key) {
    const struct session *session = self->state;
    if (!mu_read_at(reply, S_SEQ)) {
        mu_read_fail(self, MUSTER_UNKNOWN_SESSION, "session '%s' does not exist",
                     self->arguments[0].data);
        return;
    }
    mu_read_printf(self,
                   "{\"session\":\"%s\",\"count\":%" PRIu64 ",\"users\":%" PRIu64
                   ",\"anonymous\":%" PRIu64 ",\"leader\":",
                   self->arguments[0].data,
                   mu_read_number(self, mu_read_at(reply, S_COUNT), key, 0), session->users,
                   mu_read_number(self, mu_read_at(reply, S_ANONYMOUS), key, 0));
    bool present = mu_generation_is(&session->generation, mu_read_at(reply, S_GEN));
    mu_read_put_id(self, present ? mu_read_at(reply, S_LEADER) : NULL, key);
    mu_read_printf(self, ",\"term\":%" PRIu64 ",\"seq\":%" PRIu64 ",\"limit\":",
                   mu_read_number(self, mu_read_at(reply, S_TERM), key, 0),
                   mu_read_number(self, mu_read_at(reply, S_SEQ), key, 0));
    const redisReply *limit = mu_read_at(reply, S_LIMIT);
    if (limit) {
        mu_read_printf(self, "%" PRIu64, mu_read_number(self, limit, key, 0));
    } else {
        mu_read_put(self, "null", 4);
    }
    mu_read_printf(self, ",\"keep\":%s,\"opened_at\":",
                   mu_read_is(mu_read_at(reply, S_KEEP), "1") ? "true" : "false");
    if (session->opened_at > 0) {
        mu_read_printf(self, "%" PRIu64, session->opened_at);
    } else {
        mu_read_put(self, "null", 4); /* opened between the two commands */
    }
    mu_read_put(self, ",\"meta\":", 8);
    mu_read_put_object(self, mu_read_at(reply, S_META), key);
    mu_read_put(self, "}", 1);
}

static void session_step(struct mu_read *self, const redisReply *reply, const char *key) {
    struct session *session = self->state;
    switch (self->index) {
    case 0:
        mu_generation_take(self, &session->generation, reply, key);
        break;
    case 1:
        session->opened_at = mu_read_number(self, reply, key, 0);
        break;
    case 2:
        session->users = mu_read_number(self, reply, key, 0);
        break;
    default:
        session_head(self, reply, key);
        break;
    }
}

void mu_read_session(struct mu_read *self) {
    char key[MU_KEY_SIZE];
    const char *session = self->arguments[0].data;
    self->state = mu_calloc(1, sizeof(struct session));
    self->step = session_step;
    self->done = nothing_more;
    mu_generation_ask(self);
    mu_read_send(self, mu_read_key(self, key, "sessions"), "ZSCORE", session);
    mu_read_send(self, mu_read_key(self, key, "session:%s:users", session), "HLEN");
    mu_read_send(self, session_key(self, key), "HMGET", "#seq", "#count", "#anonymous", "#leader",
                 "#term", "#gen", "#limit", "#keep", "#meta");
}
