/* reads_sessions.c - SESSIONS: a page of all sessions, with counts.
 *
 * ZSCAN gives a page of names; a few fields of each are read in batches. Without arguments it is
 * the first page. A session that stays is seen at least once, maybe twice; one that closes between
 * the two is left out. The leader is null unless the session was written to in the present
 * generation, as in SESSION.
 *
 * Ways to fail: those of read.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "registry/names.h"
#include "registry/read_internal.h"

enum { COUNT, LEADER, META, GEN };

struct sessions {
    struct mu_generation generation;
    struct mu_names names;
    char cursor[24];
    bool some; /* one stands in the answer already */
};

static void free_sessions(void *state) {
    struct sessions *sessions = state;
    if (sessions) {
        mu_names_deinit(&sessions->names);
        free(sessions);
    }
}

static void session_step(struct mu_read *self, const redisReply *reply, const char *key) {
    struct sessions *sessions = self->state;
    const struct mu_named *named = &sessions->names.items[sessions->names.seen++];
    if (!mu_read_at(reply, COUNT)) {
        return; /* closed meanwhile */
    }
    mu_read_printf(
        self, "%s{\"session\":\"%s\",\"count\":%" PRIu64 ",\"leader\":", sessions->some ? "," : "",
        named->id, mu_read_number(self, mu_read_at(reply, COUNT), key, 0));
    bool present = mu_generation_is(&sessions->generation, mu_read_at(reply, GEN));
    mu_read_put_id(self, present ? mu_read_at(reply, LEADER) : NULL, key);
    mu_read_printf(self, ",\"opened_at\":%" PRIu64 ",\"meta\":", named->number);
    mu_read_put_object(self, mu_read_at(reply, META), key);
    mu_read_put(self, "}", 1);
    sessions->some = true;
}

static void ask_session(struct mu_read *self, const char *id) {
    char key[MU_KEY_SIZE];
    mu_read_send(self, mu_read_key(self, key, "session:%s", id), "HMGET", "#count", "#leader",
                 "#meta", "#gen");
}

static void next_batch(struct mu_read *self) {
    struct sessions *sessions = self->state;
    self->step = session_step;
    if (!mu_names_batch(self, &sessions->names, ask_session)) {
        mu_read_printf(self, "],\"cursor\":\"%s\"}", sessions->cursor);
    }
}

static void list_step(struct mu_read *self, const redisReply *reply, const char *key) {
    struct sessions *sessions = self->state;
    if (self->index == 0) {
        mu_generation_take(self, &sessions->generation, reply, key);
        return;
    }
    const redisReply *cursor = mu_read_at(reply, 0);
    const char *digits = mu_read_text(cursor);
    if (!digits || (size_t)cursor->len >= sizeof sessions->cursor ||
        digits[strspn(digits, "0123456789")] != '\0') {
        mu_read_damaged(self, key, "gave no cursor");
        return;
    }
    memcpy(sessions->cursor, digits, (size_t)cursor->len + 1);
    mu_names_take(self, &sessions->names, mu_read_at(reply, 1), true, key);
}

void mu_read_sessions(struct mu_read *self) {
    char key[MU_KEY_SIZE], count[24];
    struct mu_page page;
    if (!mu_read_page(self, 0, &page)) {
        return;
    }
    self->state = mu_calloc(1, sizeof(struct sessions));
    self->free_state = free_sessions;
    self->step = list_step;
    self->done = next_batch;
    snprintf(count, sizeof count, "%" PRIu64, page.count);
    mu_read_printf(self, "{\"sessions\":[");
    mu_generation_ask(self);
    mu_read_send(self, mu_read_key(self, key, "sessions"), "ZSCAN", page.cursor, "COUNT", count);
}
