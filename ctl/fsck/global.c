/* global.c - judges what there is once in a namespace: lease, epoch, clock, config, quarantine;
 * and single keys and entries that should not be. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/ids.h"
#include "fsck/fsck.h"
#include "lease.h"

enum { CLOCK, EPOCH, LEASE, LEASE_TTL, CONFIG, QUARANTINE, ANYTHING, GLOBAL_COMMANDS };

static void judge_lease(struct mu_fsck *fsck, const redisReply *all, struct mu_look *look) {
    const redisReply *text = all->element[LEASE];
    const redisReply *stored = all->element[EPOCH];
    struct mu_ctl_lease lease;
    const char *wrong = NULL;
    uint64_t epoch = 0;
    char key[MU_KEY_BYTES];
    bool known =
        mu_reply_is_text(stored) && mu_parse_whole(stored->str, (size_t)stored->len, &epoch);
    if (mu_reply_is_text(stored) && !known) {
        mu_look_found(look, MU_EPOCH_BAD, mu_fsck_key(fsck, key, "epoch"),
                      "is '%s', no whole number below 2^53", stored->str);
    }
    if (!mu_reply_is_text(text)) {
        return;
    }
    mu_fsck_key(fsck, key, "coordinator");
    if (mu_reply_number(all->element[LEASE_TTL], 0) == -1) {
        mu_look_found(look, MU_LEASE_FOREVER, key, "is a lease that never expires");
    }
    if (!mu_ctl_lease_parse(text->str, (size_t)text->len, &lease, &wrong)) {
        mu_look_found(look, MU_LEASE_MALFORMED, key, "is no lease: %s", wrong);
    } else if (known && lease.epoch > epoch) {
        mu_look_found(look, MU_LEASE_AHEAD, key,
                      "has epoch %" PRIu64 ", above the last one given out, %" PRIu64, lease.epoch,
                      epoch);
    } else if (!mu_reply_is_text(stored)) {
        mu_look_found(look, MU_LEASE_AHEAD, key, "has epoch %" PRIu64 ", but there is no epoch",
                      lease.epoch);
    }
}

static void judge_data(struct mu_fsck *fsck, const redisReply *all, struct mu_look *look) {
    const redisReply *clock = all->element[CLOCK];
    const redisReply *generation = mu_reply_at(all->element[CONFIG], 0);
    int64_t quarantined = mu_reply_number(all->element[QUARANTINE], 0);
    uint64_t number = 0;
    char key[MU_KEY_BYTES];
    if (mu_reply_is_text(clock) && !mu_parse_whole(clock->str, (size_t)clock->len, &number)) {
        mu_look_found(look, MU_CLOCK_BAD, mu_fsck_key(fsck, key, "clock"),
                      "is '%s', no whole number below 2^53", clock->str);
    }
    if (mu_reply_is_text(generation)) {
        if (!mu_id_valid(generation->str, (size_t)generation->len)) {
            mu_look_found(look, MU_CONFIG_BAD, mu_fsck_key(fsck, key, "config"),
                          "generation is '%s', no id", generation->str);
        }
    } else if (mu_reply_number(all->element[ANYTHING], 0) > 0 &&
               all->element[CONFIG]->type != REDIS_REPLY_ERROR) {
        mu_look_found(look, MU_CONFIG_BAD, mu_fsck_key(fsck, key, "config"),
                      "has no generation, though there is data");
    }
    if (quarantined > 0) {
        mu_look_found(look, MU_QUARANTINED, mu_fsck_key(fsck, key, "quarantine"),
                      "holds %" PRId64 " records that could not be read", quarantined);
    }
}

void mu_check_global(struct mu_fsck *fsck, struct mu_look *look) {
    struct mu_ctl *ctl = fsck->ctl;
    const char *ns = ctl->name_space;
    mu_send(ctl, "MULTI");
    mu_send(ctl, "GET {%s}:clock", ns);
    mu_send(ctl, "GET {%s}:epoch", ns);
    mu_send(ctl, "GET {%s}:coordinator", ns);
    mu_send(ctl, "PTTL {%s}:coordinator", ns);
    mu_send(ctl, "HMGET {%s}:config generation", ns);
    mu_send(ctl, "HLEN {%s}:quarantine", ns);
    mu_send(ctl, "EXISTS {%s}:instances {%s}:sessions {%s}:ghosts", ns, ns, ns);
    mu_send(ctl, "EXEC");
    redisReply *all = mu_receive_multi(ctl, GLOBAL_COMMANDS);
    if (all != NULL) {
        judge_lease(fsck, all, look);
        judge_data(fsck, all, look);
    }
    freeReplyObject(all);
}

void mu_check_key(struct mu_fsck *fsck, struct mu_unit unit, struct mu_look *look) {
    const char *key = mu_names_text(&fsck->raw, unit.a);
    size_t length = mu_names_length(&fsck->raw, unit.a);
    size_t head = strlen(fsck->ctl->name_space) + 3; /* {ns}: */
    redisReply *type = mu_ask(fsck->ctl, "TYPE %b", key, length);
    const char *expected = mu_key_type(NULL, key + head, length - head);
    const char *is = mu_reply_text(type);
    if (type == NULL || strcmp(is, "none") == 0) {
        /* gone */
    } else if (expected == NULL) {
        mu_look_found(look, MU_KEY_UNKNOWN, key, "is a %s that muster does not know", is);
    } else if (strcmp(expected, is) != 0) {
        mu_look_found(look, MU_KEY_TYPE, key, "is a %s and should be a %s", is, expected);
    }
    freeReplyObject(type);
}

void mu_check_entry(struct mu_fsck *fsck, struct mu_unit unit, struct mu_look *look) {
    static const struct {
        const char *command;
        const char *name;
        enum mu_code code;
    } containers[] = {
        [MU_IN_SESSIONS] = {"ZSCORE", "sessions", MU_SESSION_ENTRY},
        [MU_IN_INSTANCES] = {"ZSCORE", "instances", MU_INSTANCE_ENTRY},
        [MU_IN_GHOSTS] = {"ZSCORE", "ghosts", MU_GHOST_ENTRY},
        [MU_IN_BURIED] = {"ZSCORE", "buried", MU_BURIED_ENTRY},
        [MU_IN_LEADERLESS] = {"SISMEMBER", "leaderless", MU_LEADERLESS_STALE},
        [MU_IN_DEADLINES] = {"ZSCORE", "deadlines", MU_DEADLINE_ENTRY},
        [MU_IN_LEADS] = {"SISMEMBER", NULL, MU_LEADS_ENTRY},
    };
    const char *entry = mu_names_text(&fsck->raw, unit.b);
    size_t length = mu_names_length(&fsck->raw, unit.b);
    char key[MU_KEY_BYTES];
    mu_fsck_key(fsck, key, "%s", containers[unit.a].name != NULL ? containers[unit.a].name : "");
    if (unit.a == MU_IN_LEADS) {
        const struct mu_owner *owner = &fsck->owners[unit.c];
        mu_fsck_key(fsck, key, owner->live ? "instance:%s:leads" : "ghosts:%s:leads",
                    owner->live ? mu_names_text(&fsck->instance_names, owner->instance)
                                : mu_names_text(&fsck->owner_names, unit.c));
    }
    redisReply *there =
        mu_ask(fsck->ctl, "%s %s %b", containers[unit.a].command, key, entry, length);
    if (mu_reply_is_text(there) || mu_reply_number(there, 0) == 1) {
        mu_look_found(look, containers[unit.a].code, key, "holds '%s', which cannot be one of its",
                      entry);
    }
    freeReplyObject(there);
}
