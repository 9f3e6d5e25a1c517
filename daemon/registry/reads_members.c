/* reads_members.c - MEMBERS and USERS: who is in a session.
 *
 * First the length of the hash, and the largest profile that is allowed: together they say how
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

struct members {
    struct mu_generation generation;
    struct mu_page page;
    bool users;
    uint64_t most;   /* members in one answer */
    uint64_t length; /* of the hash */
    bool exists;
    uint64_t seq, term, count, anonymous;
    char gen[MU_ID_SIZE];
    char leader[MU_ID_SIZE];
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
    struct members *members = self->state;
    if (strcmp(name, "#seq") == 0) {
        members->exists = value != NULL;
        members->seq = mu_read_number(self, value, key, 0);
    } else if (strcmp(name, "#term") == 0) {
        members->term = mu_read_number(self, value, key, 0);
    } else if (strcmp(name, "#count") == 0) {
        members->count = mu_read_number(self, value, key, 0);
    } else if (strcmp(name, "#anonymous") == 0) {
        members->anonymous = mu_read_number(self, value, key, 0);
    } else if (strcmp(name, "#gen") == 0) {
        take_id(self, members->gen, value, key);
    } else if (strcmp(name, "#leader") == 0) {
        take_id(self, members->leader, value, key);
    }
}

static void put_head(struct mu_read *self) {
    const struct members *members = self->state;
    const char *gen = members->exists ? members->gen : members->generation.id;
    const char *quote = gen[0] != '\0' ? "\"" : "";
    mu_read_printf(self, "{\"session\":\"%s\",\"gen\":%s%s%s,\"seq\":%" PRIu64,
                   self->arguments[0].data, quote, gen[0] != '\0' ? gen : "null", quote,
                   members->seq);
    quote = members->leader[0] != '\0' ? "\"" : "";
    mu_read_printf(self, ",\"leader\":%s%s%s,\"term\":%" PRIu64 ",\"count\":%" PRIu64, quote,
                   members->leader[0] != '\0' ? members->leader : "null", quote, members->term,
                   members->count);
    if (members->users) {
        mu_read_printf(self, ",\"anonymous\":%" PRIu64, members->anonymous);
    }
}

/* ---- members ---- */

struct person {
    struct mu_member member;
    const char *text; /* of the member */
    size_t length;
};

/* The members among fields and values in turns, checked. The caller frees them. */
static struct person *people_of(struct mu_read *self, const redisReply *pairs, size_t *count,
                                const char *key) {
    *count = 0;
    if (!pairs || pairs->type != REDIS_REPLY_ARRAY) {
        mu_read_damaged(self, key, "gave no list");
        return NULL;
    }
    struct person *people = mu_calloc((size_t)pairs->elements / 2 + 1, sizeof *people);
    for (size_t i = 0; i + 1 < (size_t)pairs->elements; i += 2) {
        const redisReply *field = pairs->element[i];
        const redisReply *value = pairs->element[i + 1];
        if (!mu_read_text(field) || !mu_read_text(value) || field->str[0] == '#') {
            continue;
        }
        struct person *person = &people[*count];
        if (!mu_member_parse(value->str, (size_t)value->len, &person->member) ||
            person->member.connection.length != (size_t)field->len ||
            memcmp(person->member.connection.data, field->str, (size_t)field->len) != 0) {
            mu_read_damaged(self, key, "holds a member that cannot be read");
            break;
        }
        person->text = value->str;
        person->length = (size_t)value->len;
        (*count)++;
    }
    return people;
}

static void put_members(struct mu_read *self, const struct person *people, size_t count) {
    mu_read_printf(self, ",\"members\":[");
    for (size_t i = 0; i < count; i++) {
        mu_read_put(self, ",", i > 0);
        mu_read_put(self, people[i].text, people[i].length);
    }
}

static int compare_texts(const struct muster_text *a, const struct muster_text *b) {
    size_t shorter = a->length < b->length ? a->length : b->length;
    int order = memcmp(a->data, b->data, shorter);
    return order != 0 ? order : (a->length > b->length) - (a->length < b->length);
}

/* By user; a user's connections in the order in which they joined. */
static int by_user(const void *a, const void *b) {
    const struct mu_member *left = &((const struct person *)a)->member;
    const struct mu_member *right = &((const struct person *)b)->member;
    int order = compare_texts(&left->user, &right->user);
    if (order == 0) {
        order = (left->joined_at > right->joined_at) - (left->joined_at < right->joined_at);
    }
    return order != 0 ? order : compare_texts(&left->connection, &right->connection);
}

/* A user's profile is that of the connection that joined first. */
static void put_users(struct mu_read *self, struct person *people, size_t count) {
    size_t named = 0;
    for (size_t i = 0; i < count; i++) {
        if (people[i].member.user.length > 0) {
            people[named++] = people[i];
        }
    }
    if (named > 1) {
        qsort(people, named, sizeof *people, by_user);
    }
    mu_read_printf(self, ",\"users\":[");
    for (size_t first = 0, next = 0; first < named; first = next) {
        const struct mu_member *member = &people[first].member;
        mu_read_printf(self, "%s{\"user\":\"%.*s\",\"connections\":[", first > 0 ? "," : "",
                       (int)member->user.length, member->user.data);
        for (next = first;
             next < named && compare_texts(&people[next].member.user, &member->user) == 0; next++) {
            const struct muster_text *connection = &people[next].member.connection;
            mu_read_printf(self, "%s\"%.*s\"", next > first ? "," : "", (int)connection->length,
                           connection->data);
        }
        mu_read_printf(self, "],\"profile\":");
        mu_read_put(self, member->profile.data, member->profile.length);
        mu_read_put(self, "}", 1);
    }
}

static void answer(struct mu_read *self, const redisReply *pairs, const char *cursor,
                   const char *key) {
    const struct members *members = self->state;
    size_t count = 0;
    struct person *people = people_of(self, pairs, &count, key);
    put_head(self);
    if (members->users) {
        put_users(self, people, count);
    } else {
        put_members(self, people, count);
    }
    mu_read_printf(self, "],\"cursor\":\"%s\"}", cursor);
    free(people);
}

/* ---- stages ---- */

static void nothing_more(struct mu_read *self) {
    (void)self;
}

static char *session_key(struct mu_read *self, char key[MU_KEY_SIZE]) {
    return mu_read_key(self, key, "session:%s", self->arguments[0].data);
}

static void whole_step(struct mu_read *self, const redisReply *reply, const char *key) {
    for (size_t i = 0; i + 1 < (size_t)reply->elements; i += 2) {
        const char *name = mu_read_text(reply->element[i]);
        if (name && name[0] == '#') {
            take_own_field(self, name, reply->element[i + 1], key);
        }
    }
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

static void start(struct mu_read *self, bool users) {
    struct members *members = mu_calloc(1, sizeof *members);
    char key[MU_KEY_SIZE];
    members->users = users;
    self->state = members;
    if (!mu_read_page(self, 1, &members->page)) {
        return;
    }
    self->step = first_step;
    self->done = first_done;
    mu_read_send(self, session_key(self, key), "HLEN");
    mu_read_send(self, mu_read_key(self, key, "config"), "HMGET", "generation", "profile");
}

void mu_read_members(struct mu_read *self) {
    start(self, false);
}

void mu_read_users(struct mu_read *self) {
    start(self, true);
}
