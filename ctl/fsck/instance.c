/* instance.c - judges one instance and one ghost. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/ids.h"
#include "fsck/fsck.h"

/* Why the hash of an instance cannot be believed; NULL: it can. */
static const char *hash_wrong(const redisReply *fields) {
    bool incarnation = false;
    bool state = false;
    bool draining = false;
    bool started = false;
    uint64_t number = 0;
    for (size_t i = 0; i + 1 < mu_reply_count(fields); i += 2) {
        const char *name = fields->element[i]->str;
        const redisReply *value = fields->element[i + 1];
        size_t length = (size_t)value->len;
        if (strcmp(name, "incarnation") == 0) {
            incarnation = mu_id_valid(value->str, length);
        } else if (strcmp(name, "state") == 0) {
            state = strcmp(value->str, "up") == 0 || strcmp(value->str, "suspect") == 0;
        } else if (strcmp(name, "draining") == 0) {
            draining = strcmp(value->str, "0") == 0 || strcmp(value->str, "1") == 0;
        } else if (strcmp(name, "started_at") == 0) {
            started = mu_parse_whole(value->str, length, &number);
        } else if (strcmp(name, "secrets") == 0) {
            if (strcmp(value->str, "1") != 0 && strcmp(value->str, "0") != 0) {
                return "secrets is neither 0 nor 1";
            }
        } else if (strcmp(name, "meta") == 0) {
            if (!mu_json_object_valid(value->str, length)) {
                return "meta is no strict JSON object";
            }
        } else {
            return "it has a field that means nothing";
        }
    }
    return !incarnation ? "incarnation is missing or no id"
           : !state     ? "state is neither up nor suspect"
           : !draining  ? "draining is neither 0 nor 1"
           : !started   ? "started_at is missing or no number"
                        : NULL;
}

static void judge_listed(struct mu_fsck *fsck, const char *id, const redisReply *fields,
                         struct mu_look *look) {
    char key[MU_KEY_BYTES];
    if (mu_reply_count(fields) == 0) {
        mu_look_found(look, MU_INSTANCE_NO_HASH, mu_fsck_key(fsck, key, "instances"),
                      "lists '%s', which has no hash", id);
        return;
    }
    const char *wrong = hash_wrong(fields);
    if (wrong != NULL) {
        mu_look_found(look, MU_INSTANCE_MALFORMED, mu_fsck_key(fsck, key, "instance:%s", id),
                      "cannot be believed: %s", wrong);
    }
}

static void judge_unlisted(struct mu_fsck *fsck, const char *id, const redisReply *all,
                           struct mu_look *look) {
    char key[MU_KEY_BYTES];
    int64_t connections = mu_reply_number(all->element[2], 0);
    if (connections > 0) {
        mu_look_found(
            look, MU_CONNECTIONS_UNLISTED, mu_fsck_key(fsck, key, "instance:%s:connections", id),
            "holds %" PRId64 " connections of an instance that is not in instances", connections);
    }
    if (mu_reply_count(all->element[1]) > 0) {
        mu_look_found(look, MU_INSTANCE_TRACE, mu_fsck_key(fsck, key, "instance:%s", id),
                      "is left of an instance that is not in instances");
    }
    if (mu_reply_number(all->element[3], 0) > 0) {
        mu_look_found(look, MU_INSTANCE_TRACE, mu_fsck_key(fsck, key, "instance:%s:leads", id),
                      "is left of an instance that is not in instances");
    }
    if (mu_reply_number(all->element[4], 0) > 0) {
        mu_look_found(look, MU_ALIVE_TRACE, mu_fsck_key(fsck, key, "instance:%s:alive", id),
                      "is left of an instance that is not in instances");
    }
}

void mu_check_instance(struct mu_fsck *fsck, struct mu_unit unit, struct mu_look *look) {
    struct mu_ctl *ctl = fsck->ctl;
    const char *ns = ctl->name_space;
    const char *id = mu_names_text(&fsck->instance_names, unit.a);
    uint32_t owner = fsck->instances[unit.a].owner;
    char key[MU_KEY_BYTES];
    mu_send(ctl, "MULTI");
    mu_send(ctl, "ZSCORE {%s}:instances %s", ns, id);
    mu_send(ctl, "HGETALL {%s}:instance:%s", ns, id);
    mu_send(ctl, "HLEN {%s}:instance:%s:connections", ns, id);
    mu_send(ctl, "SCARD {%s}:instance:%s:leads", ns, id);
    mu_send(ctl, "EXISTS {%s}:instance:%s:alive", ns, id);
    mu_send(ctl, "HGET {%s}:instance:%s incarnation", ns, id);
    mu_send(ctl, "ZSCORE {%s}:buried %s", ns,
            owner != MU_NAME_NONE ? mu_names_text(&fsck->owner_names, owner) : "-");
    mu_send(ctl, "EXEC");
    redisReply *all = mu_receive_multi(ctl, 7);
    if (all == NULL) {
        return;
    }
    bool broken = all->element[1]->type == REDIS_REPLY_ERROR;
    if (!broken && mu_reply_is_text(all->element[0])) {
        judge_listed(fsck, id, all->element[1], look);
    } else if (!broken) {
        judge_unlisted(fsck, id, all, look);
    }
    if (owner != MU_NAME_NONE && mu_reply_is_text(all->element[6]) &&
        mu_slice_is(fsck->owners[owner].incarnation, mu_reply_text(all->element[5]))) {
        mu_look_found(look, MU_INSTANCE_BURIED, mu_fsck_key(fsck, key, "instance:%s", id),
                      "is registered with the buried incarnation '%s'",
                      mu_reply_text(all->element[5]));
    }
    freeReplyObject(all);
}

void mu_check_ghost(struct mu_fsck *fsck, struct mu_unit unit, struct mu_look *look) {
    struct mu_ctl *ctl = fsck->ctl;
    const char *ns = ctl->name_space;
    const char *name = mu_names_text(&fsck->owner_names, unit.a);
    char key[MU_KEY_BYTES];
    mu_send(ctl, "MULTI");
    mu_send(ctl, "ZSCORE {%s}:ghosts %s", ns, name);
    mu_send(ctl, "HLEN {%s}:ghosts:%s", ns, name);
    mu_send(ctl, "HGET {%s}:ghosts:%s #reason", ns, name);
    mu_send(ctl, "SCARD {%s}:ghosts:%s:leads", ns, name);
    mu_send(ctl, "ZSCORE {%s}:buried %s", ns, name);
    mu_send(ctl, "EXEC");
    redisReply *all = mu_receive_multi(ctl, 5);
    if (all == NULL) {
        return;
    }
    bool listed = mu_reply_is_text(all->element[0]);
    bool broken = all->element[1]->type == REDIS_REPLY_ERROR;
    int64_t records = mu_reply_number(all->element[1], 0);
    look->stamp = (uint64_t)records;
    mu_fsck_key(fsck, key, "ghosts:%s", name);
    if (listed && !broken && records == 0) {
        mu_look_found(look, MU_GHOST_NO_HASH, key, "is in ghosts but does not exist");
    }
    if (!listed && records > 0) {
        mu_look_found(look, MU_GHOST_UNLISTED, key,
                      "holds %" PRId64 " fields of a ghost that is not in ghosts", records);
    }
    if (records > 0 && !mu_reply_is_text(all->element[2])) {
        mu_look_found(look, MU_GHOST_NO_REASON, key, "has no #reason");
    }
    if (listed && !mu_reply_is_text(all->element[4])) {
        mu_look_found(look, MU_GHOST_NOT_BURIED, key, "is a ghost without its entry in buried");
    }
    if (listed && strtod(all->element[0]->str, NULL) <= (double)fsck->now) {
        mu_look_found(look, MU_GHOST_OVERDUE, key,
                      "was to be reaped at %s, holds %" PRId64 " fields, and nobody reaps it",
                      all->element[0]->str, records);
    }
    if (!listed && mu_reply_number(all->element[3], 0) > 0) {
        mu_fsck_key(fsck, key, "ghosts:%s:leads", name);
        mu_look_found(look, MU_GHOST_TRACE, key, "is left of a ghost that is not in ghosts");
    }
    freeReplyObject(all);
}
