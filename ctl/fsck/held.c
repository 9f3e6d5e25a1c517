/* held.c - the recount of what holders of quotas have, where there are too many records for one
 * look.
 *
 * All records are read in pages with plain HSCAN, which holds nobody up, between two readings of
 * the counts. Nothing marks a moment here as #seq does for a session, so one such recount proves
 * nothing of a holder that comes and goes meanwhile. A count is right as soon as one recount says
 * so. It is wrong when AGREE recounts, one after the other, have seen it stand still and found the
 * same other number; a recount before and after which it was not the same begins that anew. What
 * is neither in the end is unsettled.
 *
 * A repair carries what was stored and is refused when that has changed.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/table.h"
#include "fsck/fsck.h"

#define TRIES 10
#define AGREE 3
#define PAGE "500"
#define NAME_MAX_BYTES 1024

struct held {
    char *name;       /* <connections or sessions>/<holder>, escaped */
    char before[32];  /* as stored; "": not */
    char stored[32];  /* the same, afterwards */
    uint64_t counted; /* in this recount */
    uint64_t last;    /* in the one before */
    unsigned agreed;
    bool settled;
    UT_hash_handle hh;
};

struct seen {
    char *connection;
    UT_hash_handle hh;
};

struct recount {
    struct mu_fsck *fsck;
    struct held *holders;
    struct seen *seen; /* records of the hash that is read: HSCAN may show one twice */
    bool afterwards;
};

static struct held *held_of(struct recount *r, const char *what, const char *holder,
                            size_t length) {
    static const char digits[] = "0123456789ABCDEF";
    char name[NAME_MAX_BYTES];
    size_t used = (size_t)snprintf(name, sizeof name, "%s/", what);
    struct held *held = NULL;
    for (size_t i = 0; i < length && used + 4 < sizeof name; i++) {
        unsigned char byte = (unsigned char)holder[i];
        if (byte > 0x20 && byte < 0x7f && byte != '%') {
            name[used++] = (char)byte;
        } else {
            name[used++] = '%';
            name[used++] = digits[byte >> 4];
            name[used++] = digits[byte & 15];
        }
    }
    HASH_FIND(hh, r->holders, name, used, held);
    if (held == NULL) {
        held = mu_calloc(1, sizeof *held);
        held->name = mu_strndup(name, used);
        HASH_ADD_KEYPTR(hh, r->holders, held->name, used, held);
    }
    return held;
}

static void forget_seen(struct recount *r) {
    struct seen *seen = NULL;
    struct seen *next = NULL;
    HASH_ITER(hh, r->seen, seen, next) {
        HASH_DEL(r->seen, seen);
        free(seen->connection);
        free(seen);
    }
}

static bool is_first(struct recount *r, const redisReply *connection) {
    struct seen *seen = NULL;
    HASH_FIND(hh, r->seen, connection->str, (size_t)connection->len, seen);
    if (seen != NULL) {
        return false;
    }
    seen = mu_calloc(1, sizeof *seen);
    seen->connection = mu_strndup(connection->str, (size_t)connection->len);
    HASH_ADD_KEYPTR(hh, r->seen, seen->connection, (size_t)connection->len, seen);
    return true;
}

/* connected_at/user:holder/ttl/until/secret/resumed/s1,s2,…/profile */
static void take_record(struct recount *r, const redisReply *connection, const redisReply *text) {
    const char *parts[8] = {text->str};
    for (size_t i = 1; i < 8; i++) {
        parts[i] = strchr(parts[i - 1], '/');
        if (parts[i] == NULL) {
            return; /* a finding by itself, or #reason */
        }
        parts[i]++;
    }
    const char *end = parts[2] - 1;
    const char *holder = memchr(parts[1], ':', (size_t)(end - parts[1]));
    if (holder == NULL || !is_first(r, connection)) {
        return;
    }
    bool passed_on = holder[1] == ':';
    holder += passed_on ? 2 : 1;
    if (!mu_id_valid(holder, (size_t)(end - holder))) {
        return;
    }
    uint64_t sessions = parts[7] - 1 > parts[6] ? 1 : 0;
    for (const char *at = parts[6]; at < parts[7]; at++) {
        sessions += *at == ',';
    }
    held_of(r, "connections", holder, (size_t)(end - holder))->counted += passed_on ? 0 : 1;
    held_of(r, "sessions", holder, (size_t)(end - holder))->counted += sessions;
}

static void take_stored(struct recount *r, const char *what, const redisReply *holder,
                        const redisReply *number) {
    struct held *held = held_of(r, what, holder->str, (size_t)holder->len);
    snprintf(r->afterwards ? held->stored : held->before, sizeof held->stored, "%s", number->str);
}

/* `what` NULL: the hash holds records. */
static bool pages(struct recount *r, const char *key, const char *what) {
    struct mu_ctl *ctl = r->fsck->ctl;
    char cursor[32] = "0";
    do {
        redisReply *page = mu_ask(ctl, "HSCAN %s %s COUNT " PAGE, key, cursor);
        const redisReply *pairs = mu_reply_at(page, 1);
        snprintf(cursor, sizeof cursor, "%s", mu_reply_text(mu_reply_at(page, 0)));
        for (size_t i = 0; i + 1 < mu_reply_count(pairs); i += 2) {
            if (what != NULL) {
                take_stored(r, what, pairs->element[i], pairs->element[i + 1]);
            } else {
                take_record(r, pairs->element[i], pairs->element[i + 1]);
            }
        }
        freeReplyObject(page);
    } while (!ctl->lost && cursor[0] != '\0' && strcmp(cursor, "0") != 0);
    forget_seen(r);
    return !ctl->lost;
}

static bool read_stored(struct recount *r, bool afterwards) {
    static const char *const whats[] = {"connections", "sessions"};
    char key[MU_KEY_BYTES];
    r->afterwards = afterwards;
    for (size_t i = 0; i < 2; i++) {
        if (!pages(r, mu_fsck_key(r->fsck, key, "held:%s", whats[i]), whats[i])) {
            return false;
        }
    }
    return true;
}

/* Ghosts come last: an instance that is buried meanwhile is rather counted twice than missed. */
static bool read_records(struct recount *r) {
    static const char *const lists[] = {"instances", "ghosts"};
    struct mu_ctl *ctl = r->fsck->ctl;
    char key[MU_KEY_BYTES];
    for (size_t i = 0; i < 2 && !ctl->lost; i++) {
        redisReply *owners = mu_ask(ctl, "ZRANGE {%s}:%s 0 -1", ctl->name_space, lists[i]);
        for (size_t j = 0; j < mu_reply_count(owners) && !ctl->lost; j++) {
            const char *owner = mu_reply_text(owners->element[j]);
            if (strlen(owner) > 2 * 128 + 1) {
                continue; /* a finding by itself */
            }
            pages(
                r,
                mu_fsck_key(r->fsck, key, i == 0 ? "instance:%s:connections" : "ghosts:%s", owner),
                NULL);
        }
        freeReplyObject(owners);
    }
    return !ctl->lost;
}

static void tell(struct recount *r, const struct held *held) {
    char name[NAME_MAX_BYTES + 64];
    char key[MU_KEY_BYTES];
    char what[NAME_MAX_BYTES + 128];
    uint64_t stored = 0;
    bool few =
        held->stored[0] == '\0' ||
        (mu_parse_whole(held->stored, strlen(held->stored), &stored) && stored < held->counted);
    const char *holder = strchr(held->name, '/') + 1;
    snprintf(name, sizeof name, "%s/%s/%" PRIu64, held->name,
             held->stored[0] != '\0' ? held->stored : "-", held->counted);
    snprintf(key, sizeof key, "held:%.*s", (int)(holder - 1 - held->name), held->name);
    snprintf(what, sizeof what, "says that '%.128s' has '%s', the recount is %" PRIu64, holder,
             held->stored, held->counted);
    mu_fsck_found(r->fsck, &(struct mu_looks_finding){
                               .info = mu_finding_info(few ? "HELD_TOO_FEW" : "HELD_TOO_MANY"),
                               .kind = MU_LOOKS_RECOUNT,
                               .name = name,
                               .key = key,
                               .what = what});
}

/* What this recount says of one count. */
static void judge(struct recount *r, struct held *held) {
    uint64_t stored = 0;
    bool stood = strcmp(held->before, held->stored) == 0;
    bool right = held->stored[0] == '\0'
                     ? held->counted == 0
                     : mu_parse_whole(held->stored, strlen(held->stored), &stored) &&
                           stored == held->counted && stored > 0;
    if (right) {
        held->settled = true;
    } else if (!stood) {
        held->agreed = 0;
    } else {
        held->agreed = held->agreed > 0 && held->last == held->counted ? held->agreed + 1 : 1;
        held->last = held->counted;
    }
    if (held->agreed == AGREE) {
        held->settled = true;
        tell(r, held);
    }
}

/* True: all is settled, or Redis is lost. */
static bool attempt(struct recount *r) {
    struct held *held = NULL;
    struct held *next = NULL;
    bool settled = true;
    HASH_ITER(hh, r->holders, held, next) {
        held->before[0] = '\0';
        held->stored[0] = '\0';
        held->counted = 0;
    }
    if (!read_stored(r, false) || !read_records(r) || !read_stored(r, true)) {
        return true;
    }
    HASH_ITER(hh, r->holders, held, next) {
        if (!held->settled) {
            judge(r, held);
        }
        settled = settled && held->settled;
    }
    return settled;
}

void mu_fsck_recount_held(struct mu_fsck *fsck) {
    struct recount r = {.fsck = fsck};
    struct held *held = NULL;
    struct held *next = NULL;
    bool done = false;
    for (int i = 0; i < TRIES && !done; i++) {
        done = attempt(&r);
    }
    HASH_ITER(hh, r.holders, held, next) {
        mu_looks_count(fsck->looks, 5, held->settled ? 1 : 0);
        fsck->unsettled += !held->settled && !fsck->ctl->lost;
        HASH_DEL(r.holders, held);
        free(held->name);
        free(held);
    }
}
