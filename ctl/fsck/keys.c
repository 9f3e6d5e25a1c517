/* keys.c - which keys there are, of which type, and to whom they belong. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ids.h"
#include "fsck/fsck.h"

static const struct {
    const char *name;
    const char *type;
} single_keys[] = {
    {"config", "hash"},    {"clock", "string"},   {"epoch", "string"},  {"coordinator", "string"},
    {"instances", "zset"}, {"buried", "zset"},    {"ghosts", "zset"},   {"quarantine", "hash"},
    {"deadlines", "zset"}, {"leaderless", "set"}, {"sessions", "zset"},
};

/* What stands behind the id, the colon taken away; NULL: nothing. */
static const char *suffix_of(const char *text, size_t length, size_t *id_length,
                             size_t *suffix_length) {
    const char *colon = memchr(text, ':', length);
    *id_length = colon != NULL ? (size_t)(colon - text) : length;
    *suffix_length = colon != NULL ? length - *id_length - 1 : 0;
    return colon != NULL ? colon + 1 : NULL;
}

static bool is(const char *text, size_t length, const char *word) {
    return text != NULL && length == strlen(word) && memcmp(text, word, length) == 0;
}

static const char *instance_type(struct mu_fsck *fsck, const char *text, size_t length) {
    size_t id = 0;
    size_t rest = 0;
    const char *suffix = suffix_of(text, length, &id, &rest);
    const char *type = suffix == NULL                    ? "hash"
                       : is(suffix, rest, "alive")       ? "string"
                       : is(suffix, rest, "connections") ? "hash"
                       : is(suffix, rest, "leads")       ? "set"
                                                         : NULL;
    if (type == NULL || !mu_id_valid(text, id)) {
        return NULL;
    }
    if (fsck != NULL) {
        mu_fsck_instance(fsck, text, id);
    }
    return type;
}

static const char *session_type(struct mu_fsck *fsck, const char *text, size_t length) {
    size_t id = 0;
    size_t rest = 0;
    const char *suffix = suffix_of(text, length, &id, &rest);
    const char *type = suffix == NULL                   ? "hash"
                       : is(suffix, rest, "candidates") ? "zset"
                       : is(suffix, rest, "users")      ? "hash"
                                                        : NULL;
    if (type == NULL || !mu_id_valid(text, id)) {
        return NULL;
    }
    if (fsck != NULL) {
        mu_fsck_session(fsck, text, id);
    }
    return type;
}

static const char *ghost_type(struct mu_fsck *fsck, const char *text, size_t length) {
    size_t id = 0;
    size_t incarnation = 0;
    size_t rest = 0;
    size_t behind = 0;
    const char *second = suffix_of(text, length, &id, &rest);
    const char *third = second != NULL ? suffix_of(second, rest, &incarnation, &behind) : NULL;
    const char *type = third == NULL ? "hash" : is(third, behind, "leads") ? "set" : NULL;
    if (type == NULL || second == NULL || !mu_id_valid(text, id) ||
        !mu_id_valid(second, incarnation)) {
        return NULL;
    }
    if (fsck != NULL) {
        uint32_t owner = mu_fsck_owner(fsck, text, id + 1 + incarnation);
        fsck->owners[owner].ghost = true;
    }
    return type;
}

const char *mu_key_type(struct mu_fsck *fsck, const char *key, size_t length) {
    for (size_t i = 0; i < sizeof single_keys / sizeof single_keys[0]; i++) {
        if (is(key, length, single_keys[i].name)) {
            return single_keys[i].type;
        }
    }
    if (length > 9 && memcmp(key, "instance:", 9) == 0) {
        return instance_type(fsck, key + 9, length - 9);
    }
    if (length > 8 && memcmp(key, "session:", 8) == 0) {
        return session_type(fsck, key + 8, length - 8);
    }
    if (length > 7 && memcmp(key, "ghosts:", 7) == 0) {
        return ghost_type(fsck, key + 7, length - 7);
    }
    return NULL;
}

static void look_at_page(struct mu_fsck *fsck, const redisReply *keys) {
    size_t head = strlen(fsck->ctl->name_space) + 3;
    for (size_t i = 0; i < mu_reply_count(keys); i++) {
        mu_send(fsck->ctl, "TYPE %b", keys->element[i]->str, (size_t)keys->element[i]->len);
    }
    for (size_t i = 0; i < mu_reply_count(keys); i++) {
        const redisReply *key = keys->element[i];
        redisReply *type = mu_receive(fsck->ctl);
        const char *there = mu_reply_text(type);
        const char *expected = mu_key_type(fsck, key->str + head, (size_t)key->len - head);
        if (type != NULL && strcmp(there, "none") != 0) {
            fsck->checked[4]++;
            if (expected == NULL || strcmp(expected, there) != 0) {
                struct mu_unit unit = {.kind = MU_UNIT_KEY,
                                       .a = mu_names_put(&fsck->raw, key->str, (size_t)key->len)};
                mu_fsck_suspect(fsck, unit, MU_BIT(MU_KEY_UNKNOWN) | MU_BIT(MU_KEY_TYPE), 0);
            }
        }
        freeReplyObject(type);
    }
}

void mu_fsck_keys(struct mu_fsck *fsck) {
    char cursor[32] = "0";
    do {
        /* Ids hold nothing that means something in a pattern. */
        redisReply *page =
            mu_ask(fsck->ctl, "SCAN %s MATCH {%s}:* COUNT 1000", cursor, fsck->ctl->name_space);
        snprintf(cursor, sizeof cursor, "%s", mu_reply_text(mu_reply_at(page, 0)));
        look_at_page(fsck, mu_reply_at(page, 1));
        freeReplyObject(page);
    } while (!fsck->ctl->lost && cursor[0] != '\0' && strcmp(cursor, "0") != 0);
}
