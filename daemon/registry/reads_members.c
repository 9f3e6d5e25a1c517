/* reads_members.c - MEMBERS and USERS: who is in a session.
 *
 * Without a cursor, first the whole of a small session in one command: HRANDFIELD with a count
 * gives all fields of a hash that has no more, and never more than those. What it gives of a larger
 * one is of no use; a session that was larger the last time is therefore asked for its size at once
 * (gate.h remembers).
 *
 * Else first the length of the hash, and the largest profile that is allowed: together they say how
 * much may come at once. Without a cursor, and with up to MU_READ_SNAPSHOT_MAX members: one
 * HGETALL, which is a consistent snapshot. A larger session is answered as its first page, with a
 * cursor to go on from: one HGETALL of it would hold up everybody. (HSCAN from 0 to the end would
 * be a snapshot in one round trip, too, but costs Redis twice the time of HGETALL.)
 *
 * A page: the session's own fields and then an HSCAN, in one batch. The fields come first, so their
 * seq is not above what the page shows: whoever reads pages goes on from the seq of the first one.
 * A member that stays is seen at least once, maybe twice. A page holds about as many as were asked
 * for, fewer where profiles may be large.
 *
 * The leader is the stored one: it belongs to the `gen` beside it, as in a plain HGETALL.
 *
 * Only some of all lists are under way at Redis at once (gate.h).
 *
 * Ways to fail: those of read.h and gate.h; a member that cannot be read; an answer beyond its
 * bound.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "registry/read_internal.h"

/* The session's own fields, of which HLEN counts those that are set: at least these. */
#define OWN_FIELDS 6

/* Of a member beside its profile: four ids, numbers, names. */
#define MEMBER_BYTES 1024
#define PROFILE_BYTES ((uint64_t)1 << 20) /* no setting allows more */

/* Fields that are asked for before the size is known: bounded whatever the profiles may be. */
#define SMALL_FIELDS 31
_Static_assert(SMALL_FIELDS *(MEMBER_BYTES + PROFILE_BYTES) <= MU_READ_MEMBERS_BYTES, "too much");

/* The session's own fields. */
struct own {
    bool exists;
    uint64_t seq, term, count, anonymous;
    char gen[MU_ID_SIZE];
    char leader[MU_ID_SIZE];
};

struct members {
    struct mu_generation generation; /* present, where the session has none */
    struct mu_page page;
    bool users;
    bool answered;
    uint64_t most;   /* members in one answer */
    uint64_t length; /* of the hash */
    struct own own;
};

/* ---- the session's own fields ---- */

static void take_id(struct mu_read *self, char out[MU_ID_SIZE], const redisReply *value,
                    const char *key) {
    const char *text = mu_read_text(value);
    if (text && value->len > 0) {
        if (mu_id_valid(text, (size_t)value->len)) {
            memcpy(out, text, (size_t)value->len + 1);
        } else {
            mu_read_damaged(self, key, "holds something that is no id");
        }
    }
}

static void take_own_field(struct mu_read *self, const char *name, const redisReply *value,
                           const char *key) {
    struct own *own = &((struct members *)self->state)->own;
    if (strcmp(name, "#seq") == 0) {
        own->exists = value != NULL;
        own->seq = mu_read_number(self, value, key, 0);
    } else if (strcmp(name, "#term") == 0) {
        own->term = mu_read_number(self, value, key, 0);
    } else if (strcmp(name, "#count") == 0) {
        own->count = mu_read_number(self, value, key, 0);
    } else if (strcmp(name, "#anonymous") == 0) {
        own->anonymous = mu_read_number(self, value, key, 0);
    } else if (strcmp(name, "#gen") == 0) {
        take_id(self, own->gen, value, key);
    } else if (strcmp(name, "#leader") == 0) {
        take_id(self, own->leader, value, key);
    }
}

static void put_head(struct mu_read *self) {
    const struct members *members = self->state;
    const struct own *own = &members->own;
    const char *gen = own->exists ? own->gen : members->generation.id;
    const char *quote = gen[0] != '\0' ? "\"" : "";
    mu_read_printf(self, "{\"session\":\"%s\",\"gen\":%s%s%s,\"seq\":%" PRIu64,
                   self->arguments[0].data, quote, gen[0] != '\0' ? gen : "null", quote, own->seq);
    quote = own->leader[0] != '\0' ? "\"" : "";
    mu_read_printf(self, ",\"leader\":%s%s%s,\"term\":%" PRIu64 ",\"count\":%" PRIu64, quote,
                   own->leader[0] != '\0' ? own->leader : "null", quote, own->term, own->count);
    if (members->users) {
        mu_read_printf(self, ",\"anonymous\":%" PRIu64, own->anonymous);
    }
}

/* ---- members ---- */

/* Is it a member's field, and not one of the session's own? False when it cannot be read, too: that
 * is told. */
static bool take_member(struct mu_read *self, const redisReply *field, const redisReply *value,
                        struct mu_member *member, const char *key) {
    if (!mu_read_text(field) || !mu_read_text(value) || field->str[0] == '#') {
        return false;
    }
    if (!mu_member_parse(value->str, (size_t)value->len, member) ||
        member->connection.length != (size_t)field->len ||
        memcmp(member->connection.data, field->str, (size_t)field->len) != 0) {
        mu_read_damaged(self, key, "holds a member that cannot be read");
        return false;
    }
    return true;
}

/* As they are stored. Their room is made at once. */
static void put_members(struct mu_read *self, const redisReply *pairs, const char *key) {
    static const char head[] = ",\"members\":[";
    size_t bytes = sizeof head;
    struct mu_member member;
    bool first = true;
    for (size_t i = 1; i < (size_t)pairs->elements; i += 2) {
        bytes += (size_t)pairs->element[i]->len + 1;
    }
    mu_read_room(self, bytes);
    if (mu_read_failed(self)) {
        return;
    }
    mu_buffer_put(&self->out, head, sizeof head - 1);
    for (size_t i = 0; i + 1 < (size_t)pairs->elements; i += 2) {
        const redisReply *value = pairs->element[i + 1];
        if (take_member(self, pairs->element[i], value, &member, key)) {
            mu_buffer_put(&self->out, ",", !first);
            mu_buffer_put(&self->out, value->str, (size_t)value->len);
            first = false;
        } else if (mu_read_failed(self)) {
            return;
        }
    }
}

static int compare_texts(const struct muster_text *a, const struct muster_text *b) {
    size_t shorter = a->length < b->length ? a->length : b->length;
    int order = memcmp(a->data, b->data, shorter);
    return order != 0 ? order : (a->length > b->length) - (a->length < b->length);
}

/* By user; a user's connections in the order in which they joined. */
static int by_user(const void *a, const void *b) {
    const struct mu_member *left = a;
    const struct mu_member *right = b;
    int order = compare_texts(&left->user, &right->user);
    if (order == 0) {
        order = (left->joined_at > right->joined_at) - (left->joined_at < right->joined_at);
    }
    return order != 0 ? order : compare_texts(&left->connection, &right->connection);
}

/* Those of a user, in their order. */
static void put_user(struct mu_read *self, const struct mu_member *members, size_t count) {
    mu_read_printf(self, "{\"user\":\"%.*s\",\"connections\":[", (int)members->user.length,
                   members->user.data);
    for (size_t i = 0; i < count; i++) {
        const struct muster_text *connection = &members[i].connection;
        mu_read_printf(self, "%s\"%.*s\"", i > 0 ? "," : "", (int)connection->length,
                       connection->data);
    }
    mu_read_put(self, "],\"profile\":", 12);
    mu_read_put(self, members->profile.data, members->profile.length);
    mu_read_put(self, "}", 1);
}

/* A user's profile is that of the connection that joined first. */
static void put_users(struct mu_read *self, const redisReply *pairs, const char *key) {
    struct mu_member *members = mu_calloc((size_t)pairs->elements / 2 + 1, sizeof *members);
    size_t named = 0;
    for (size_t i = 0; i + 1 < (size_t)pairs->elements && !mu_read_failed(self); i += 2) {
        if (take_member(self, pairs->element[i], pairs->element[i + 1], &members[named], key)) {
            named += members[named].user.length > 0;
        }
    }
    if (named > 1) {
        qsort(members, named, sizeof *members, by_user);
    }
    mu_read_printf(self, ",\"users\":[");
    for (size_t first = 0, next = 0; first < named; first = next) {
        const struct muster_text *user = &members[first].user;
        while (next < named && compare_texts(&members[next].user, user) == 0) {
            next++;
        }
        mu_read_put(self, ",", first > 0);
        put_user(self, &members[first], next - first);
    }
    free(members);
}

static void answer(struct mu_read *self, const redisReply *pairs, const char *cursor,
                   const char *key) {
    struct members *members = self->state;
    if (!pairs || pairs->type != REDIS_REPLY_ARRAY) {
        mu_read_damaged(self, key, "gave no list");
        return;
    }
    put_head(self);
    if (members->users) {
        put_users(self, pairs, key);
    } else {
        put_members(self, pairs, key);
    }
    mu_read_printf(self, "],\"cursor\":\"%s\"}", cursor);
    members->answered = true;
}

/* ---- stages ---- */

static void nothing_more(struct mu_read *self) {
    (void)self;
}

static char *session_key(struct mu_read *self, char key[MU_KEY_SIZE]) {
    return mu_read_key(self, key, "session:%s", self->arguments[0].data);
}

static void take_own_fields(struct mu_read *self, const redisReply *pairs, const char *key) {
    for (size_t i = 0; i + 1 < (size_t)pairs->elements; i += 2) {
        const char *name = mu_read_text(pairs->element[i]);
        if (name && name[0] == '#') {
            take_own_field(self, name, pairs->element[i + 1], key);
        }
    }
}

static void whole_step(struct mu_read *self, const redisReply *reply, const char *key) {
    take_own_fields(self, reply, key);
    answer(self, reply, "0", key);
}

static void page_step(struct mu_read *self, const redisReply *reply, const char *key) {
    static const char *const names[] = {"#seq", "#leader", "#term", "#count", "#anonymous", "#gen"};
    if (self->index == 0) {
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
            take_own_field(self, names[i], mu_read_at(reply, i), key);
        }
        return;
    }
    const char *cursor = mu_read_text(mu_read_at(reply, 0));
    if (!cursor || cursor[strspn(cursor, "0123456789")] != '\0') {
        mu_read_damaged(self, key, "gave no cursor");
        return;
    }
    answer(self, mu_read_at(reply, 1), cursor, key);
}

static uint64_t page_size(const struct members *members) {
    return members->page.count < members->most ? members->page.count : members->most;
}

static void ask_page(struct mu_read *self) {
    const struct members *members = self->state;
    char key[MU_KEY_SIZE], count[24];
    snprintf(count, sizeof count, "%" PRIu64, page_size(members));
    self->step = page_step;
    session_key(self, key);
    mu_read_send(self, key, "HMGET", "#seq", "#leader", "#term", "#count", "#anonymous", "#gen");
    mu_read_send(self, key, "HSCAN", members->page.cursor, "COUNT", count);
}

static void first_step(struct mu_read *self, const redisReply *reply, const char *key) {
    struct members *members = self->state;
    if (self->index == 0) {
        members->length = mu_read_number(self, reply, key, 0);
        mu_gate_remember(self->gate, self->arguments[0].data, members->length >= SMALL_FIELDS);
        return;
    }
    uint64_t profile = mu_read_number(self, mu_read_at(reply, 1), key, PROFILE_BYTES);
    const redisReply *generation = mu_read_at(reply, 0);
    if (generation) {
        mu_generation_take(self, &members->generation, generation, key);
    }
    members->most = MU_READ_MEMBERS_BYTES /
                    (MEMBER_BYTES + (profile < PROFILE_BYTES ? profile : PROFILE_BYTES));
    if (members->most > MU_READ_SNAPSHOT_MAX) {
        members->most = MU_READ_SNAPSHOT_MAX;
    }
}

static void ask_whole(struct mu_read *self) {
    char key[MU_KEY_SIZE];
    self->step = whole_step;
    mu_read_send(self, session_key(self, key), "HGETALL");
}

static void first_done(struct mu_read *self) {
    const struct members *members = self->state;
    self->done = nothing_more;
    if (members->page.asked || members->length > members->most + OWN_FIELDS) {
        mu_gate_enter(self->gate, self, (size_t)page_size(members), ask_page);
    } else {
        mu_gate_enter(self->gate, self, (size_t)members->length, ask_whole);
    }
}

static void ask_size(struct mu_read *self) {
    char key[MU_KEY_SIZE];
    self->step = first_step;
    self->done = first_done;
    mu_read_send(self, session_key(self, key), "HLEN");
    mu_read_send(self, mu_read_key(self, key, "config"), "HMGET", "generation", "profile");
}

/* ---- a small one ---- */

static void small_step(struct mu_read *self, const redisReply *reply, const char *key) {
    struct members *members = self->state;
    if (reply->elements < (size_t)2 * SMALL_FIELDS) {
        take_own_fields(self, reply, key);
        if (members->own.exists) {
            answer(self, reply, "0", key);
        }
    }
}

static void small_done(struct mu_read *self) {
    struct members *members = self->state;
    if (!members->answered) { /* too large, or not there: then its generation is asked for */
        members->own = (struct own){0};
        mu_gate_leave(self->gate, self->fields);
        self->inside = false;
        ask_size(self);
    }
}

static void ask_small(struct mu_read *self) {
    char key[MU_KEY_SIZE], count[8];
    snprintf(count, sizeof count, "%d", SMALL_FIELDS);
    self->step = small_step;
    self->done = small_done;
    mu_read_send(self, session_key(self, key), "HRANDFIELD", count, "WITHVALUES");
}

static void start(struct mu_read *self, bool users) {
    struct members *members = mu_calloc(1, sizeof *members);
    members->users = users;
    self->state = members;
    if (!mu_read_page(self, 1, &members->page)) {
        return;
    }
    if (members->page.asked || mu_gate_remembers(self->gate, self->arguments[0].data)) {
        ask_size(self);
    } else {
        mu_gate_enter(self->gate, self, SMALL_FIELDS, ask_small);
    }
}

void mu_read_members(struct mu_read *self) {
    start(self, false);
}

void mu_read_users(struct mu_read *self) {
    start(self, true);
}
