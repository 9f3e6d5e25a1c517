#include "fsck/view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#define BASE_COMMANDS 5
#define OWNER_COMMANDS 5

void mu_view_send(struct mu_fsck *fsck, uint32_t session, const uint32_t *owners, size_t count) {
    struct mu_ctl *ctl = fsck->ctl;
    const char *ns = ctl->name_space;
    const char *id = mu_names_text(&fsck->session_names, session);
    mu_send(ctl, "MULTI");
    mu_send(ctl, "HGETALL {%s}:session:%s", ns, id);
    mu_send(ctl, "ZRANGE {%s}:session:%s:candidates 0 -1 WITHSCORES", ns, id);
    mu_send(ctl, "HGETALL {%s}:session:%s:users", ns, id);
    mu_send(ctl, "ZSCORE {%s}:sessions %s", ns, id);
    mu_send(ctl, "SISMEMBER {%s}:leaderless %s", ns, id);
    for (size_t i = 0; i < count; i++) {
        const char *owner = mu_names_text(&fsck->owner_names, owners[i]);
        const char *instance =
            mu_names_text(&fsck->instance_names, fsck->owners[owners[i]].instance);
        mu_send(ctl, "HMGET {%s}:instance:%s incarnation state draining", ns, instance);
        mu_send(ctl, "SISMEMBER {%s}:instance:%s:leads %s", ns, instance, id);
        mu_send(ctl, "ZSCORE {%s}:ghosts %s", ns, owner);
        mu_send(ctl, "SISMEMBER {%s}:ghosts:%s:leads %s", ns, owner, id);
        mu_send(ctl, "EXISTS {%s}:ghosts:%s", ns, owner);
    }
    mu_send(ctl, "EXEC");
}

static struct mu_slice slice_of(const redisReply *reply) {
    return (struct mu_slice){reply->str, (size_t)reply->len};
}

static void keep(struct mu_view *view, redisReply *reply) {
    view->replies = mu_realloc(view->replies, (view->reply_count + 1) * sizeof *view->replies);
    view->replies[view->reply_count++] = reply;
}

/* A field that begins with `#`. */
static void own_field(struct mu_view *view, struct mu_slice name, struct mu_slice value) {
    const struct {
        const char *name;
        struct mu_slice *place;
    } fields[] = {
        {"#seq", &view->seq},     {"#leader", &view->leader}, {"#term", &view->term},
        {"#count", &view->count}, {"#gen", &view->gen},       {"#anonymous", &view->anonymous},
        {"#keep", &view->keep},   {"#limit", NULL},           {"#meta", NULL},
    };
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        if (mu_slice_is(name, fields[i].name)) {
            if (fields[i].place != NULL) {
                *fields[i].place = value;
            }
            return;
        }
    }
    view->unknown = name;
}

static void take_fields(struct mu_fsck *fsck, struct mu_view *view, const redisReply *pairs) {
    size_t count = mu_reply_count(pairs) / 2;
    if (count == 0) {
        return;
    }
    view->members = mu_realloc(view->members, (view->member_count + count) * sizeof *view->members);
    for (size_t i = 0; i < count; i++) {
        struct mu_slice name = slice_of(pairs->element[2 * i]);
        struct mu_slice value = slice_of(pairs->element[2 * i + 1]);
        if (name.length > 0 && name.at[0] == '#') {
            own_field(view, name, value);
            continue;
        }
        struct mu_view_member *member = &view->members[view->member_count++];
        member->field = name;
        member->wrong = NULL;
        member->owner = MU_NAME_NONE;
        if (mu_member_parse(value.at, value.length, &member->member, &member->wrong)) {
            if (!mu_slice_equal(member->member.connection, name)) {
                member->wrong = "it names another connection than its field";
            } else {
                member->owner =
                    mu_fsck_owner_of(fsck, member->member.instance, member->member.incarnation);
            }
        }
    }
}

static void take_candidates(struct mu_view *view, const redisReply *pairs) {
    size_t count = mu_reply_count(pairs) / 2;
    if (count == 0) {
        return;
    }
    view->candidates =
        mu_realloc(view->candidates, (view->candidate_count + count) * sizeof *view->candidates);
    for (size_t i = 0; i < count; i++) {
        view->candidates[view->candidate_count++] = (struct mu_view_candidate){
            slice_of(pairs->element[2 * i]), strtod(pairs->element[2 * i + 1]->str, NULL)};
    }
}

static void take_users(struct mu_view *view, const redisReply *pairs) {
    size_t count = mu_reply_count(pairs) / 2;
    if (count == 0) {
        return;
    }
    view->users = mu_realloc(view->users, (view->user_count + count) * sizeof *view->users);
    for (size_t i = 0; i < count; i++) {
        int64_t number = mu_reply_number(pairs->element[2 * i + 1], -1);
        view->users[view->user_count++] = (struct mu_view_user){
            slice_of(pairs->element[2 * i]), number < 0 ? UINT64_MAX : (uint64_t)number};
    }
}

static int by_field(const void *a, const void *b) {
    return mu_slice_compare(((const struct mu_view_member *)a)->field,
                            ((const struct mu_view_member *)b)->field);
}

static int by_name(const void *a, const void *b) {
    return mu_slice_compare(((const struct mu_view_candidate *)a)->name,
                            ((const struct mu_view_candidate *)b)->name);
}

static int by_user(const void *a, const void *b) {
    return mu_slice_compare(((const struct mu_view_user *)a)->user,
                            ((const struct mu_view_user *)b)->user);
}

/* In order, and once each: pages may repeat. */
static size_t arrange(void *base, size_t count, size_t size,
                      int (*compare)(const void *, const void *)) {
    char *bytes = base;
    size_t kept = 0;
    if (count == 0) {
        return 0;
    }
    qsort(base, count, size, compare);
    for (size_t i = 1; i < count; i++) {
        if (compare(bytes + kept * size, bytes + i * size) != 0) {
            kept++;
            memmove(bytes + kept * size, bytes + i * size, size);
        }
    }
    return kept + 1;
}

static void arrange_all(struct mu_view *view) {
    view->member_count =
        arrange(view->members, view->member_count, sizeof *view->members, by_field);
    view->candidate_count =
        arrange(view->candidates, view->candidate_count, sizeof *view->candidates, by_name);
    view->user_count = arrange(view->users, view->user_count, sizeof *view->users, by_user);
}

static void take_place(struct mu_view *view, const redisReply *score, const redisReply *waiting) {
    view->listed = mu_reply_is_text(score);
    view->opened = view->listed ? strtod(score->str, NULL) : 0;
    view->leaderless = mu_reply_number(waiting, 0) == 1;
}

static void take_owner(const struct mu_fsck *fsck, struct mu_view *view, uint32_t owner,
                       const redisReply *const *replies) {
    struct mu_view_owner *facts = &view->owners[view->owner_count++];
    const redisReply *incarnation = mu_reply_at(replies[0], 0);
    facts->owner = owner;
    facts->live = mu_reply_is_text(incarnation) &&
                  mu_slice_equal(slice_of(incarnation), fsck->owners[owner].incarnation);
    facts->eligible = facts->live && strcmp(mu_reply_text(mu_reply_at(replies[0], 1)), "up") == 0 &&
                      strcmp(mu_reply_text(mu_reply_at(replies[0], 2)), "1") != 0;
    facts->leads_live = mu_reply_number(replies[1], 0) == 1;
    facts->ghost = mu_reply_is_text(replies[2]) || mu_reply_number(replies[4], 0) == 1;
    facts->leads_ghost = mu_reply_number(replies[3], 0) == 1;
}

bool mu_view_receive(struct mu_fsck *fsck, uint32_t session, const uint32_t *owners, size_t count,
                     struct mu_view *view) {
    size_t commands = BASE_COMMANDS + count * OWNER_COMMANDS;
    memset(view, 0, sizeof *view);
    view->session = session;
    redisReply *all = mu_receive_multi(fsck->ctl, commands);
    if (all == NULL) {
        return false;
    }
    keep(view, all);
    for (size_t i = 0; i < commands; i++) {
        view->broken = view->broken || all->element[i]->type == REDIS_REPLY_ERROR;
    }
    view->exists = mu_reply_count(all->element[0]) > 0;
    take_fields(fsck, view, all->element[0]);
    take_candidates(view, all->element[1]);
    take_users(view, all->element[2]);
    take_place(view, all->element[3], all->element[4]);
    for (size_t i = 0; i < count; i++) {
        take_owner(fsck, view, owners[i],
                   (const redisReply *const *)&all->element[BASE_COMMANDS + i * OWNER_COMMANDS]);
    }
    arrange_all(view);
    return true;
}

/* One of HSCAN and ZSCAN to its end. */
static void page_through(struct mu_fsck *fsck, struct mu_view *view, const char *command,
                         const char *suffix, int what) {
    char cursor[32] = "0";
    do {
        redisReply *page =
            mu_ask(fsck->ctl, "%s {%s}:session:%s%s %s COUNT 1000", command, fsck->ctl->name_space,
                   mu_names_text(&fsck->session_names, view->session), suffix, cursor);
        const redisReply *pairs = mu_reply_at(page, 1);
        if (page == NULL || pairs == NULL) {
            view->broken = true;
            freeReplyObject(page);
            return;
        }
        snprintf(cursor, sizeof cursor, "%s", mu_reply_text(mu_reply_at(page, 0)));
        keep(view, page);
        if (what == 0) {
            take_fields(fsck, view, pairs);
        } else if (what == 1) {
            take_candidates(view, pairs);
        } else {
            take_users(view, pairs);
        }
    } while (strcmp(cursor, "0") != 0);
}

bool mu_view_pages(struct mu_fsck *fsck, uint32_t session, struct mu_view *view) {
    struct mu_ctl *ctl = fsck->ctl;
    const char *id = mu_names_text(&fsck->session_names, session);
    memset(view, 0, sizeof *view);
    view->session = session;
    page_through(fsck, view, "HSCAN", "", 0);
    page_through(fsck, view, "ZSCAN", ":candidates", 1);
    page_through(fsck, view, "HSCAN", ":users", 2);
    redisReply *score = mu_ask(ctl, "ZSCORE {%s}:sessions %s", ctl->name_space, id);
    redisReply *waiting = mu_ask(ctl, "SISMEMBER {%s}:leaderless %s", ctl->name_space, id);
    take_place(view, score, waiting);
    freeReplyObject(score);
    freeReplyObject(waiting);
    arrange_all(view);
    view->exists = view->member_count > 0 || view->seq.at != NULL || view->count.at != NULL;
    return !ctl->lost;
}

void mu_view_deinit(struct mu_view *view) {
    for (size_t i = 0; i < view->reply_count; i++) {
        freeReplyObject(view->replies[i]);
    }
    free(view->replies);
    free(view->members);
    free(view->candidates);
    free(view->users);
    memset(view, 0, sizeof *view);
}

const struct mu_view_member *mu_view_member(const struct mu_view *view, struct mu_slice field) {
    struct mu_view_member key = {.field = field};
    return view->member_count == 0
               ? NULL
               : bsearch(&key, view->members, view->member_count, sizeof *view->members, by_field);
}

const struct mu_view_owner *mu_view_owner(const struct mu_view *view, uint32_t owner) {
    for (size_t i = 0; i < view->owner_count; i++) {
        if (view->owners[i].owner == owner) {
            return &view->owners[i];
        }
    }
    return NULL;
}

size_t mu_view_relevant(const struct mu_view *view, uint32_t *owners, size_t room) {
    size_t count = 0;
    if (view->leader.length > 0) {
        const struct mu_view_member *leader = mu_view_member(view, view->leader);
        if (leader != NULL && leader->owner != MU_NAME_NONE && room > 0) {
            owners[count++] = leader->owner;
        }
        return count;
    }
    for (size_t i = 0; i < view->member_count && count < room; i++) {
        const struct mu_view_member *member = &view->members[i];
        bool known = member->wrong != NULL || member->member.away || member->member.leads_never;
        for (size_t j = 0; j < count && !known; j++) {
            known = owners[j] == member->owner;
        }
        if (!known) {
            owners[count++] = member->owner;
        }
    }
    return count;
}
