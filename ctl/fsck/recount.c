/* recount.c - the users of a session that is too large for one look.
 *
 * All its members are read in pages with plain HSCAN, which holds nobody up. Every change of who is
 * a member moves #seq, so when that is the same before and after, the pages were one moment; else
 * it is tried again, a few times, and then said to be unsettled. What is kept meanwhile is one
 * entry a member of this one session: HSCAN may show a member twice.
 *
 * A repair carries the #seq of the recount and is refused when it has moved.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/table.h"
#include "fsck/fsck.h"
#include "fsck/text.h"

#define TRIES 8
#define PAGE "500"

struct entry {
    char *text;
    uint64_t members; /* of a user: how many of the members */
    char *stored;     /* of a user: what `users` says; NULL: nothing */
    UT_hash_handle hh;
};

struct recount {
    struct mu_fsck *fsck;
    const char *session;
    struct entry *connections;
    struct entry *users;
    uint64_t anonymous;
    bool unreadable; /* a member cannot be read, which is a finding by itself */
    char seq[32];
    char gen[2 * 128 + 8];
    char stored_anonymous[32];
};

static struct entry *entry_of(struct entry **table, const char *text, size_t length) {
    struct entry *entry = NULL;
    HASH_FIND(hh, *table, text, length, entry);
    if (entry == NULL) {
        entry = mu_calloc(1, sizeof *entry);
        entry->text = mu_strndup(text, length);
        HASH_ADD_KEYPTR(hh, *table, entry->text, length, entry);
    }
    return entry;
}

static void empty(struct entry **table) {
    struct entry *entry = NULL;
    struct entry *next = NULL;
    HASH_ITER(hh, *table, entry, next) {
        HASH_DEL(*table, entry);
        free(entry->text);
        free(entry->stored);
        free(entry);
    }
}

static bool stamp(struct recount *r) {
    redisReply *fields = mu_ask(r->fsck->ctl, "HMGET {%s}:session:%s #seq #gen #anonymous",
                                r->fsck->ctl->name_space, r->session);
    snprintf(r->seq, sizeof r->seq, "%s", mu_reply_text(mu_reply_at(fields, 0)));
    snprintf(r->gen, sizeof r->gen, "%s", mu_reply_text(mu_reply_at(fields, 1)));
    snprintf(r->stored_anonymous, sizeof r->stored_anonymous, "%s",
             mu_reply_text(mu_reply_at(fields, 2)));
    freeReplyObject(fields);
    return !r->fsck->ctl->lost;
}

static void take_member(struct recount *r, const redisReply *field, const redisReply *text) {
    struct mu_member member;
    const char *wrong = NULL;
    unsigned before = HASH_COUNT(r->connections);
    if (field->len > 0 && field->str[0] == '#') {
        return;
    }
    if (!mu_member_parse(text->str, (size_t)text->len, &member, &wrong)) {
        r->unreadable = true;
        return;
    }
    entry_of(&r->connections, field->str, (size_t)field->len);
    if (HASH_COUNT(r->connections) == before) {
        return; /* seen before */
    }
    if (member.user.length > 0) {
        entry_of(&r->users, member.user.at, member.user.length)->members++;
    } else {
        r->anonymous++;
    }
}

static void found(struct recount *r, const char *code, const char *suffix, const char *user,
                  uint64_t number, const char *what) {
    char name[4 * 128 + 128];
    char key[MU_KEY_BYTES];
    snprintf(name, sizeof name, "%s/%s/%s/%s/%" PRIu64, r->session, r->seq, r->gen, user, number);
    snprintf(key, sizeof key, "session:%s%s", r->session, suffix);
    mu_fsck_found(r->fsck, &(struct mu_looks_finding){.info = mu_finding_info(code),
                                                      .kind = MU_LOOKS_RECOUNT,
                                                      .name = name,
                                                      .key = key,
                                                      .what = what});
}

static void take_user(struct recount *r, const redisReply *field, const redisReply *text) {
    struct entry *user = entry_of(&r->users, field->str, (size_t)field->len);
    if (user->stored == NULL) {
        user->stored = mu_strndup(text->str, (size_t)text->len);
    }
}

static bool pages(struct recount *r, bool users) {
    struct mu_ctl *ctl = r->fsck->ctl;
    char cursor[32] = "0";
    do {
        redisReply *page = mu_ask(ctl, "HSCAN {%s}:session:%s%s %s COUNT " PAGE, ctl->name_space,
                                  r->session, users ? ":users" : "", cursor);
        const redisReply *pairs = mu_reply_at(page, 1);
        snprintf(cursor, sizeof cursor, "%s", mu_reply_text(mu_reply_at(page, 0)));
        for (size_t i = 0; i + 1 < mu_reply_count(pairs); i += 2) {
            if (users) {
                take_user(r, pairs->element[i], pairs->element[i + 1]);
            } else {
                take_member(r, pairs->element[i], pairs->element[i + 1]);
            }
        }
        freeReplyObject(page);
    } while (!ctl->lost && cursor[0] != '\0' && strcmp(cursor, "0") != 0);
    return !ctl->lost;
}

static void tell(struct recount *r) {
    struct entry *user = NULL;
    struct entry *next = NULL;
    char what[512];
    uint64_t stored = 0;
    if (!mu_parse_whole(r->stored_anonymous, strlen(r->stored_anonymous), &stored) ||
        stored != r->anonymous) {
        snprintf(what, sizeof what, "#anonymous is '%s', the recount is %" PRIu64,
                 r->stored_anonymous, r->anonymous);
        found(r, "ANONYMOUS_WRONG", "", "-", r->anonymous, what);
    }
    HASH_ITER(hh, r->users, user, next) {
        const char *there = user->stored != NULL ? user->stored : "";
        if (!mu_parse_whole(there, strlen(there), &stored) || stored != user->members ||
            stored == 0) {
            snprintf(what, sizeof what,
                     "user '%.128s' has %" PRIu64 " connections here, stored is '%.32s'",
                     user->text, user->members, there);
            found(r, "USERS_WRONG", ":users", user->text, user->members, what);
        }
    }
}

/* True: it is settled, for better or worse. */
static bool attempt(struct recount *r) {
    char seq[sizeof r->seq];
    char gen[sizeof r->gen];
    if (!stamp(r) || !pages(r, false) || !pages(r, true)) {
        return true; /* lost */
    }
    memcpy(seq, r->seq, sizeof seq);
    memcpy(gen, r->gen, sizeof gen);
    if (!stamp(r)) {
        return true;
    }
    if (strcmp(seq, r->seq) != 0 || strcmp(gen, r->gen) != 0) {
        return false;
    }
    if (!r->unreadable) {
        mu_looks_count(r->fsck->looks, 5, 1);
        tell(r);
    }
    return true;
}

void mu_fsck_recount(struct mu_fsck *fsck, const char *session) {
    bool settled = false;
    for (int i = 0; i < TRIES && !settled; i++) {
        struct recount r = {.fsck = fsck, .session = session};
        settled = attempt(&r);
        empty(&r.connections);
        empty(&r.users);
    }
    fsck->unsettled += !settled;
}
