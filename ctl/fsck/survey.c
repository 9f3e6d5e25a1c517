/* survey.c - the first look: everything is read once, side by side, and what does not fit together
 * becomes a suspect. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/ids.h"
#include "base/table.h"
#include "fsck/view.h"

#define PAGE 5000
#define BATCH 256
#define FIELDS_AT_ONCE 20000 /* fields of sessions in one pipelined batch */

/* ---- lists -------------------------------------------------------------------------------- */

static void odd_entry(struct mu_fsck *fsck, enum mu_container container, const redisReply *entry,
                      uint32_t owner, enum mu_code code) {
    struct mu_unit unit = {.kind = MU_UNIT_ENTRY,
                           .a = (uint32_t)container,
                           .b = mu_names_put(&fsck->raw, entry->str, (size_t)entry->len),
                           .c = owner};
    mu_fsck_suspect(fsck, unit, MU_BIT(code), 0);
}

/* `<instance>/<incarnation>/<connection>` */
static bool deadline_valid(const char *text, size_t length) {
    for (int i = 0; i < 2; i++) {
        const char *slash = memchr(text, '/', length);
        if (slash == NULL || !mu_id_valid(text, (size_t)(slash - text))) {
            return false;
        }
        length -= (size_t)(slash - text) + 1;
        text = slash + 1;
    }
    return mu_id_valid(text, length);
}

static void take_entry(struct mu_fsck *fsck, enum mu_container container, const redisReply *entry) {
    const char *text = entry->str;
    size_t length = (size_t)entry->len;
    bool id = mu_id_valid(text, length);
    uint32_t owner = MU_NAME_NONE;
    switch (container) {
    case MU_IN_SESSIONS:
    case MU_IN_LEADERLESS:
        if (id) {
            mu_fsck_session(fsck, text, length);
        } else {
            odd_entry(fsck, container, entry, 0,
                      container == MU_IN_SESSIONS ? MU_SESSION_ENTRY : MU_LEADERLESS_STALE);
        }
        break;
    case MU_IN_INSTANCES:
        if (id) {
            uint32_t instance = mu_fsck_instance(fsck, text, length);
            fsck->instances[instance].listed = true;
        } else {
            odd_entry(fsck, container, entry, 0, MU_INSTANCE_ENTRY);
        }
        break;
    case MU_IN_GHOSTS:
        owner = mu_fsck_owner(fsck, text, length);
        if (owner == MU_NAME_NONE) {
            odd_entry(fsck, container, entry, 0, MU_GHOST_ENTRY);
        } else {
            fsck->owners[owner].ghost = true;
        }
        break;
    case MU_IN_BURIED:
        fsck->checked[8]++;
        if (mu_fsck_owner(fsck, text, length) == MU_NAME_NONE) {
            odd_entry(fsck, container, entry, 0, MU_BURIED_ENTRY);
        }
        break;
    case MU_IN_DEADLINES:
        if (!deadline_valid(text, length)) {
            odd_entry(fsck, container, entry, 0, MU_DEADLINE_ENTRY);
        }
        break;
    case MU_IN_LEADS:
        break;
    }
}

/* A sorted set from its beginning; entries that move meanwhile are met by SCAN, or seen again. */
static void take_zset(struct mu_fsck *fsck, const char *name, enum mu_container container) {
    size_t got = PAGE;
    for (uint64_t at = 0; got == PAGE; at += PAGE) {
        redisReply *page =
            mu_ask(fsck->ctl, "ZRANGE {%s}:%s %llu %llu", fsck->ctl->name_space, name,
                   (unsigned long long)at, (unsigned long long)(at + PAGE - 1));
        got = mu_reply_count(page);
        for (size_t i = 0; i < got; i++) {
            take_entry(fsck, container, page->element[i]);
        }
        freeReplyObject(page);
    }
}

typedef void (*page_fn)(struct mu_fsck *fsck, const redisReply *page, uint32_t owner);

/* SSCAN and HSCAN to their end. */
static void scan_key(struct mu_fsck *fsck, const char *command, const char *key, uint32_t owner,
                     page_fn take) {
    char cursor[32] = "0";
    do {
        redisReply *page = mu_ask(fsck->ctl, "%s %s %s COUNT 1000", command, key, cursor);
        snprintf(cursor, sizeof cursor, "%s", mu_reply_text(mu_reply_at(page, 0)));
        if (mu_reply_at(page, 1) != NULL) {
            take(fsck, mu_reply_at(page, 1), owner);
        }
        freeReplyObject(page);
    } while (!fsck->ctl->lost && cursor[0] != '\0' && strcmp(cursor, "0") != 0);
}

static void take_leaderless(struct mu_fsck *fsck, const redisReply *page, uint32_t owner) {
    (void)owner;
    for (size_t i = 0; i < mu_reply_count(page); i++) {
        take_entry(fsck, MU_IN_LEADERLESS, page->element[i]);
    }
}

/* ---- instances and ghosts ----------------------------------------------------------------- */

/* Who is registered with which incarnation, and eligible. Sessions are judged by this. */
static void know_instances(struct mu_fsck *fsck) {
    uint32_t count = fsck->instance_names.count;
    for (uint32_t from = 0; from < count && !fsck->ctl->lost; from += BATCH) {
        uint32_t to = count - from > BATCH ? from + BATCH : count;
        for (uint32_t i = from; i < to; i++) {
            mu_send(fsck->ctl, "HMGET {%s}:instance:%s incarnation state draining",
                    fsck->ctl->name_space, mu_names_text(&fsck->instance_names, i));
        }
        for (uint32_t i = from; i < to; i++) {
            redisReply *fields = mu_receive(fsck->ctl);
            const redisReply *incarnation = mu_reply_at(fields, 0);
            if (mu_reply_is_text(incarnation) &&
                mu_id_valid(incarnation->str, (size_t)incarnation->len)) {
                const char *id = mu_names_text(&fsck->instance_names, i);
                uint32_t owner =
                    mu_fsck_owner_of(fsck, (struct mu_slice){id, strlen(id)},
                                     (struct mu_slice){incarnation->str, (size_t)incarnation->len});
                fsck->instances[i].owner = owner;
                fsck->owners[owner].live = true;
                fsck->owners[owner].eligible =
                    strcmp(mu_reply_text(mu_reply_at(fields, 1)), "up") == 0 &&
                    strcmp(mu_reply_text(mu_reply_at(fields, 2)), "1") != 0;
            }
            freeReplyObject(fields);
        }
    }
}

static uint32_t digest(struct mu_slice user) {
    return user.length == 0 ? 0 : mu_table_hash(user.at, user.length) | 1u;
}

static void take_records(struct mu_fsck *fsck, const redisReply *page, uint32_t owner) {
    for (size_t i = 0; i + 1 < mu_reply_count(page); i += 2) {
        const redisReply *field = page->element[i];
        const redisReply *text = page->element[i + 1];
        const char *wrong = NULL;
        struct mu_record record;
        struct mu_slice session;
        if (strcmp(field->str, "#reason") == 0) {
            continue;
        }
        fsck->connections++;
        uint32_t connection = mu_names_put(&fsck->connection_names, field->str, (size_t)field->len);
        if (!mu_id_valid(field->str, (size_t)field->len) ||
            !mu_record_parse(text->str, (size_t)text->len, &record, &wrong)) {
            mu_fsck_suspect(fsck,
                            (struct mu_unit){.kind = MU_UNIT_RECORD, .a = owner, .b = connection},
                            MU_BIT(MU_RECORD_MALFORMED), 0);
            continue;
        }
        while (mu_record_next(&record.sessions, &session)) {
            mu_pairs_see(&fsck->pairs, mu_fsck_session(fsck, session.at, session.length), owner,
                         connection, MU_SIDE_RECORD, digest(record.user));
        }
    }
}

static void take_leads(struct mu_fsck *fsck, const redisReply *page, uint32_t owner) {
    for (size_t i = 0; i < mu_reply_count(page); i++) {
        const redisReply *entry = page->element[i];
        if (!mu_id_valid(entry->str, (size_t)entry->len)) {
            odd_entry(fsck, MU_IN_LEADS, entry, owner, MU_LEADS_ENTRY);
            continue;
        }
        uint32_t session = mu_fsck_session(fsck, entry->str, (size_t)entry->len);
        if (fsck->sessions[session].leader_owner == owner) {
            fsck->checked[6] += !fsck->sessions[session].in_leads;
            fsck->sessions[session].in_leads = true;
        } else {
            fsck->checked[6]++;
            mu_fsck_suspect(fsck,
                            (struct mu_unit){.kind = MU_UNIT_SESSION, .a = session, .b = owner},
                            MU_BIT(MU_LEADS_STRAY), 0);
        }
    }
}

static void survey_instances(struct mu_fsck *fsck) {
    char key[MU_KEY_BYTES];
    for (uint32_t i = 0; i < fsck->instance_names.count && !fsck->ctl->lost; i++) {
        struct mu_unit unit = {.kind = MU_UNIT_INSTANCE, .a = i};
        struct mu_look look = {0};
        const char *id = mu_names_text(&fsck->instance_names, i);
        uint32_t owner = fsck->instances[i].owner;
        mu_check_instance(fsck, unit, &look);
        mu_fsck_suspect(fsck, unit, look.codes, look.stamp);
        fsck->checked[8] += fsck->instances[i].listed;
        if (owner != MU_NAME_NONE) {
            mu_fsck_key(fsck, key, "instance:%s:connections", id);
            scan_key(fsck, "HSCAN", key, owner, take_records);
            mu_fsck_key(fsck, key, "instance:%s:leads", id);
            scan_key(fsck, "SSCAN", key, owner, take_leads);
        }
    }
}

static void survey_ghosts(struct mu_fsck *fsck) {
    char key[MU_KEY_BYTES];
    for (uint32_t i = 0; i < fsck->owner_names.count && !fsck->ctl->lost; i++) {
        struct mu_unit unit = {.kind = MU_UNIT_GHOST, .a = i};
        struct mu_look look = {0};
        if (!fsck->owners[i].ghost) {
            continue;
        }
        const char *name = mu_names_text(&fsck->owner_names, i);
        mu_check_ghost(fsck, unit, &look);
        mu_fsck_suspect(fsck, unit, look.codes, look.stamp);
        fsck->checked[8]++;
        fsck->ghosts++;
        scan_key(fsck, "HSCAN", mu_fsck_key(fsck, key, "ghosts:%s", name), i, take_records);
        scan_key(fsck, "SSCAN", mu_fsck_key(fsck, key, "ghosts:%s:leads", name), i, take_leads);
    }
}

/* ---- sessions ----------------------------------------------------------------------------- */

static void take_view(struct mu_fsck *fsck, const struct mu_view *view) {
    struct mu_unit unit = {.kind = MU_UNIT_SESSION, .a = view->session, .b = MU_NAME_NONE};
    struct mu_look look = {0};
    fsck->checked[2]++;
    if (view->exists) {
        fsck->checked[1]++;
        fsck->checked[5]++;
        fsck->checked[7]++;
        fsck->members += view->member_count;
    }
    for (size_t i = 0; i < view->member_count; i++) {
        const struct mu_view_member *member = &view->members[i];
        if (member->wrong == NULL) {
            uint32_t connection =
                mu_names_put(&fsck->connection_names, member->field.at, member->field.length);
            mu_pairs_see(&fsck->pairs, view->session, member->owner, connection, MU_SIDE_SESSION,
                         digest(member->member.user));
        }
    }
    const struct mu_view_member *leader =
        view->leader.length > 0 ? mu_view_member(view, view->leader) : NULL;
    if (leader != NULL) {
        fsck->sessions[view->session].leader_owner = leader->owner;
    }
    mu_check_session(fsck, view, false, &look);
    mu_fsck_suspect(fsck, unit, look.codes, look.stamp);
}

/* Small ones pipelined, each by one moment; large ones in pages. `sizes` begins at `from`. */
static void read_sessions(struct mu_fsck *fsck, uint32_t from, uint32_t to, const int64_t *sizes) {
    struct mu_view view;
    for (uint32_t at = from; at < to && !fsck->ctl->lost;) {
        uint32_t end = at;
        int64_t fields = 0;
        for (; end < to && sizes[end - from] <= MU_VIEW_WHOLE &&
               (end == at || fields + sizes[end - from] <= FIELDS_AT_ONCE);
             end++) {
            fields += sizes[end - from];
            mu_view_send(fsck, end, NULL, 0);
        }
        for (uint32_t i = at; i < end; i++) {
            if (mu_view_receive(fsck, i, NULL, 0, &view)) {
                take_view(fsck, &view);
            }
            mu_view_deinit(&view);
        }
        if (end == at) {
            if (mu_view_pages(fsck, at, &view)) {
                take_view(fsck, &view);
            }
            mu_view_deinit(&view);
            end++;
        }
        at = end;
    }
}

static void survey_sessions(struct mu_fsck *fsck) {
    int64_t sizes[BATCH];
    uint32_t count = fsck->session_names.count; /* judging adds none that are not looked up */
    for (uint32_t from = 0; from < count && !fsck->ctl->lost; from += BATCH) {
        uint32_t to = count - from > BATCH ? from + BATCH : count;
        for (uint32_t i = from; i < to; i++) {
            mu_send(fsck->ctl, "HLEN {%s}:session:%s", fsck->ctl->name_space,
                    mu_names_text(&fsck->session_names, i));
        }
        for (uint32_t i = from; i < to; i++) {
            redisReply *length = mu_receive(fsck->ctl);
            sizes[i - from] = mu_reply_number(length, 0);
            freeReplyObject(length);
        }
        read_sessions(fsck, from, to, sizes);
    }
}

/* ---- what both sides said ----------------------------------------------------------------- */

static void join(struct mu_fsck *fsck) {
    for (uint32_t i = 0; i < fsck->session_names.count; i++) {
        if (fsck->sessions[i].leader_owner != MU_NAME_NONE && !fsck->sessions[i].in_leads) {
            fsck->checked[6]++;
            mu_fsck_suspect(fsck,
                            (struct mu_unit){.kind = MU_UNIT_SESSION, .a = i, .b = MU_NAME_NONE},
                            MU_BIT(MU_LEADS_LACKS), 0);
        }
    }
    fsck->checked[3] = fsck->pairs.count;
    for (uint32_t i = 0; i < fsck->pairs.count; i++) {
        const struct mu_pair *pair = &fsck->pairs.pairs[i];
        struct mu_unit unit = {
            .kind = MU_UNIT_PAIR, .a = pair->session, .b = pair->owner, .c = pair->connection};
        uint64_t codes = 0;
        if (pair->sides == MU_SIDE_SESSION) {
            codes = MU_BIT(MU_MEMBER_OF_NOBODY) | MU_BIT(MU_MEMBER_NO_RECORD) |
                    MU_BIT(MU_RECORD_NOT_LISTING);
        } else if (pair->sides == MU_SIDE_RECORD) {
            codes = MU_BIT(MU_RECORD_NO_MEMBER);
        } else if (pair->users[0] != pair->users[1]) {
            codes = MU_BIT(MU_USERS_DIFFER);
        }
        mu_fsck_suspect(fsck, unit, codes, 0);
    }
}

static void survey_global(struct mu_fsck *fsck) {
    struct mu_ctl *ctl = fsck->ctl;
    struct mu_look look = {0};
    mu_check_global(fsck, &look);
    mu_fsck_suspect(fsck, (struct mu_unit){.kind = MU_UNIT_GLOBAL}, look.codes, 0);
    redisReply *there =
        mu_ask(ctl, "EXISTS {%s}:coordinator {%s}:epoch", ctl->name_space, ctl->name_space);
    fsck->checked[9] = mu_reply_number(there, 0) > 0;
    freeReplyObject(there);
    redisReply *generation = mu_ask(ctl, "HGET {%s}:config generation", ctl->name_space);
    if (mu_reply_is_text(generation)) {
        fsck->generation = mu_strdup(generation->str);
    }
    freeReplyObject(generation);
}

void mu_fsck_survey(struct mu_fsck *fsck) {
    char key[MU_KEY_BYTES];
    fsck->now = mu_ask_now(fsck->ctl);
    survey_global(fsck);
    take_zset(fsck, "sessions", MU_IN_SESSIONS);
    take_zset(fsck, "instances", MU_IN_INSTANCES);
    take_zset(fsck, "ghosts", MU_IN_GHOSTS);
    take_zset(fsck, "buried", MU_IN_BURIED);
    take_zset(fsck, "deadlines", MU_IN_DEADLINES);
    scan_key(fsck, "SSCAN", mu_fsck_key(fsck, key, "leaderless"), MU_NAME_NONE, take_leaderless);
    mu_fsck_keys(fsck);
    know_instances(fsck);
    survey_sessions(fsck);
    survey_instances(fsck);
    survey_ghosts(fsck);
    if (!fsck->ctl->lost) {
        join(fsck);
    }
}
