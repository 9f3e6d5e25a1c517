/* pair.c - judges one membership from both sides, and one record. */
#include <stdlib.h>
#include <string.h>

#include "base/ids.h"
#include "fsck/fsck.h"

#define COMMANDS 6

void mu_pair_send(struct mu_fsck *fsck, struct mu_unit unit) {
    struct mu_ctl *ctl = fsck->ctl;
    const char *ns = ctl->name_space;
    const char *session = mu_names_text(&fsck->session_names, unit.a);
    const char *owner = mu_names_text(&fsck->owner_names, unit.b);
    const char *instance = mu_names_text(&fsck->instance_names, fsck->owners[unit.b].instance);
    const char *connection = mu_names_text(&fsck->connection_names, unit.c);
    size_t length = mu_names_length(&fsck->connection_names, unit.c);
    mu_send(ctl, "MULTI");
    mu_send(ctl, "HGET {%s}:session:%s %b", ns, session, connection, length);
    mu_send(ctl, "HGET {%s}:instance:%s incarnation", ns, instance);
    mu_send(ctl, "HGET {%s}:instance:%s:connections %b", ns, instance, connection, length);
    mu_send(ctl, "HGET {%s}:ghosts:%s %b", ns, owner, connection, length);
    mu_send(ctl, "EXISTS {%s}:ghosts:%s", ns, owner);
    mu_send(ctl, "ZSCORE {%s}:ghosts %s", ns, owner);
    mu_send(ctl, "EXEC");
}

/* The record of this owner's connection, live or a ghost's. */
static const redisReply *record_of(const redisReply *all, bool live) {
    return live && mu_reply_is_text(all->element[2]) ? all->element[2]
           : mu_reply_is_text(all->element[3])       ? all->element[3]
                                                     : NULL;
}

static void judge(struct mu_fsck *fsck, struct mu_unit unit, const redisReply *all,
                  struct mu_look *look) {
    const char *session = mu_names_text(&fsck->session_names, unit.a);
    const char *owner = mu_names_text(&fsck->owner_names, unit.b);
    const char *instance = mu_names_text(&fsck->instance_names, fsck->owners[unit.b].instance);
    const char *connection = mu_names_text(&fsck->connection_names, unit.c);
    const redisReply *text = all->element[0];
    const char *wrong = NULL;
    struct mu_member member;
    struct mu_record record;
    char session_key[MU_KEY_BYTES];
    char record_key[MU_KEY_BYTES];

    bool live = mu_slice_is(fsck->owners[unit.b].incarnation, mu_reply_text(all->element[1]));
    bool ghost = mu_reply_number(all->element[4], 0) == 1 || mu_reply_is_text(all->element[5]);
    bool is_member = mu_reply_is_text(text) &&
                     mu_member_parse(text->str, (size_t)text->len, &member, &wrong) &&
                     mu_fsck_owner_of(fsck, member.instance, member.incarnation) == unit.b;
    if (mu_reply_is_text(text) && wrong != NULL) {
        return; /* the member cannot be read: a finding of its session */
    }
    const redisReply *stored = record_of(all, live);
    bool read =
        stored != NULL && mu_record_parse(stored->str, (size_t)stored->len, &record, &wrong);
    bool lists = read && mu_record_lists(&record, session);

    mu_fsck_key(fsck, session_key, "session:%s", session);
    mu_fsck_key(fsck, record_key, live ? "instance:%s:connections" : "ghosts:%s",
                live ? instance : owner);
    if (is_member && !live && !ghost) {
        mu_look_found(look, MU_MEMBER_OF_NOBODY, session_key,
                      "member '%s' belongs to %s, which is neither registered nor a ghost",
                      connection, owner);
    } else if (is_member && stored == NULL) {
        mu_look_found(look, MU_MEMBER_NO_RECORD, session_key,
                      "member '%s' of %s has no record in %s", connection, owner, record_key);
    } else if (is_member && read && !lists) {
        mu_look_found(look, MU_RECORD_NOT_LISTING, record_key,
                      "the record of '%s' does not list session '%s', of which it is a member",
                      connection, session);
    } else if (lists && !is_member) {
        mu_look_found(look, MU_RECORD_NO_MEMBER, record_key,
                      "the record of '%s' lists session '%s', of which it is no member", connection,
                      session);
    } else if (lists && is_member && !mu_slice_equal(record.user, member.user)) {
        mu_look_found(look, MU_USERS_DIFFER, session_key,
                      "member '%s' has user '%.*s', its record has '%.*s'", connection,
                      (int)member.user.length, member.user.at, (int)record.user.length,
                      record.user.at);
    }
}

void mu_pair_receive(struct mu_fsck *fsck, struct mu_unit unit, struct mu_look *look) {
    redisReply *all = mu_receive_multi(fsck->ctl, COMMANDS);
    bool broken = all == NULL;
    for (size_t i = 0; i < mu_reply_count(all); i++) {
        broken = broken || all->element[i]->type == REDIS_REPLY_ERROR;
    }
    if (!broken) {
        judge(fsck, unit, all, look);
    }
    freeReplyObject(all);
}

static void judge_record(const char *key, const char *connection, size_t length,
                         const redisReply *text, struct mu_look *look) {
    struct mu_record record;
    const char *wrong = NULL;
    if (!mu_reply_is_text(text)) {
        return;
    }
    if (!mu_id_valid(connection, length)) {
        mu_look_found(look, MU_RECORD_MALFORMED, key, "holds a field '%s', which is no connection",
                      connection);
    } else if (!mu_record_parse(text->str, (size_t)text->len, &record, &wrong)) {
        mu_look_found(look, MU_RECORD_MALFORMED, key, "the record of '%s' cannot be read: %s",
                      connection, wrong);
    }
}

void mu_check_record(struct mu_fsck *fsck, struct mu_unit unit, struct mu_look *look) {
    const struct mu_owner *owner = &fsck->owners[unit.a];
    const char *connection = mu_names_text(&fsck->connection_names, unit.b);
    size_t length = mu_names_length(&fsck->connection_names, unit.b);
    char key[MU_KEY_BYTES];
    if (owner->live) {
        mu_fsck_key(fsck, key, "instance:%s:connections",
                    mu_names_text(&fsck->instance_names, owner->instance));
        redisReply *text = mu_ask(fsck->ctl, "HGET %s %b", key, connection, length);
        judge_record(key, connection, length, text, look);
        freeReplyObject(text);
    }
    mu_fsck_key(fsck, key, "ghosts:%s", mu_names_text(&fsck->owner_names, unit.a));
    redisReply *text = mu_ask(fsck->ctl, "HGET %s %b", key, connection, length);
    judge_record(key, connection, length, text, look);
    freeReplyObject(text);
}
