/* members.c - one session: its own fields and its members.
 *
 * Up to 5,000 members come by one HGETALL, which is a consistent snapshot; a larger session is
 * read in pages, because one HGETALL of it would hold up all other clients.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "base/ids.h"
#include "base/table.h"
#include "json_out.h"
#include "table.h"

#define SNAPSHOT_MAX 5000

struct seen {
    UT_hash_handle hh;
    char id[];
};

struct list {
    const struct mu_ctl *ctl;
    struct mu_columns *columns;
    struct mu_buffer members; /* JSON: what stands between the brackets */
    struct seen *seen;        /* a page may repeat a member */
    char *gen;
    char *leader;
    int64_t seq, term, count; /* seq -1: there is no such session */
    int64_t now;
};

static const char *text_of(const json_t *member, const char *name) {
    const char *text = json_string_value(json_object_get(member, name));
    return text != NULL ? text : "";
}

static void add_row(struct list *list, const char *id, const char *json, size_t length) {
    char age[MU_AGE_SIZE];
    json_t *member = json_loadb(json, length, JSON_ALLOW_NUL, NULL);
    const json_t *profile = json_object_get(member, "profile");
    int64_t joined = json_integer_value(json_object_get(member, "joined_at"));
    int64_t priority = json_integer_value(json_object_get(member, "priority"));
    const json_t *lead = json_object_get(member, "lead");
    char *text = profile != NULL ? json_dumps(profile, JSON_COMPACT) : NULL;

    mu_columns_cell(list->columns, "%s", id);
    mu_columns_cell(list->columns, "%s%s%s", strcmp(id, list->leader) == 0 ? "leads " : "",
                    json_is_true(json_object_get(member, "away")) ? "away " : "",
                    json_is_false(lead) ? "never leads" : "");
    mu_columns_cell(list->columns, "%s", text_of(member, "user"));
    mu_columns_cell(list->columns, "%s", text_of(member, "instance"));
    mu_columns_cell(list->columns, "%" PRId64, priority);
    mu_columns_cell(list->columns, "%s", mu_age(age, joined > 0 ? list->now - joined : -1));
    mu_columns_cell(list->columns, "%s",
                    member == NULL ? "(cannot be read: see musterctl fsck)"
                    : text != NULL && strcmp(text, "{}") != 0 ? text
                                                              : "");
    free(text);
    json_decref(member);
}

static void add_pairs(struct list *list, const redisReply *pairs, bool pages) {
    for (size_t i = 0; i + 1 < mu_reply_count(pairs); i += 2) {
        const redisReply *field = pairs->element[i];
        const redisReply *value = pairs->element[i + 1];
        if (field->str[0] == '#') {
            continue;
        }
        if (pages) {
            struct seen *seen = NULL;
            HASH_FIND(hh, list->seen, field->str, (unsigned)field->len, seen);
            if (seen != NULL) {
                continue;
            }
            seen = mu_calloc(1, sizeof *seen + (size_t)field->len + 1);
            memcpy(seen->id, field->str, (size_t)field->len);
            HASH_ADD(hh, list->seen, id, (unsigned)field->len, seen);
        }
        if (list->ctl->options->json) {
            mu_json_raw(&list->members, NULL, value->str, (size_t)value->len);
        } else {
            add_row(list, field->str, value->str, (size_t)value->len);
        }
    }
}

static void keep(char **place, const redisReply *value) {
    free(*place);
    *place = mu_strdup(mu_reply_text(value));
}

static void take_head(struct list *list, const redisReply *gen, const redisReply *seq,
                      const redisReply *leader, const redisReply *term, const redisReply *count) {
    keep(&list->gen, gen);
    keep(&list->leader, leader);
    list->seq = mu_reply_number(seq, -1);
    list->term = mu_reply_number(term, 0);
    list->count = mu_reply_number(count, 0);
}

static const redisReply *field_of(const redisReply *pairs, const char *name) {
    for (size_t i = 0; i + 1 < mu_reply_count(pairs); i += 2) {
        if (strcmp(pairs->element[i]->str, name) == 0) {
            return pairs->element[i + 1];
        }
    }
    return NULL;
}

static void read_snapshot(struct mu_ctl *ctl, struct list *list) {
    redisReply *all =
        mu_ask(ctl, "HGETALL {%s}:session:%s", ctl->name_space, ctl->options->argument);
    take_head(list, field_of(all, "#gen"), field_of(all, "#seq"), field_of(all, "#leader"),
              field_of(all, "#term"), field_of(all, "#count"));
    add_pairs(list, all, false);
    freeReplyObject(all);
}

static void read_pages(struct mu_ctl *ctl, struct list *list) {
    const char *session = ctl->options->argument;
    char cursor[32] = "0";
    redisReply *head = mu_ask(ctl, "HMGET {%s}:session:%s #gen #seq #leader #term #count",
                              ctl->name_space, session);
    take_head(list, mu_reply_at(head, 0), mu_reply_at(head, 1), mu_reply_at(head, 2),
              mu_reply_at(head, 3), mu_reply_at(head, 4));
    freeReplyObject(head);
    do {
        redisReply *page =
            mu_ask(ctl, "HSCAN {%s}:session:%s %s COUNT 1000", ctl->name_space, session, cursor);
        snprintf(cursor, sizeof cursor, "%s", mu_reply_text(mu_reply_at(page, 0)));
        add_pairs(list, mu_reply_at(page, 1), true);
        freeReplyObject(page);
    } while (!ctl->lost && cursor[0] != '\0' && strcmp(cursor, "0") != 0);
}

/* The shape of MEMBERS. */
static void print_json(const struct list *list, const char *session) {
    struct mu_buffer out;
    mu_buffer_init(&out, 0);
    mu_json_open(&out, NULL, '{');
    mu_json_string(&out, "session", session);
    mu_json_string(&out, "gen", list->gen);
    mu_json_number(&out, "seq", list->seq);
    mu_json_string(&out, "leader", list->leader[0] != '\0' ? list->leader : NULL);
    mu_json_number(&out, "term", list->term);
    mu_json_number(&out, "count", list->count);
    mu_json_open(&out, "members", '[');
    if (list->members.length > 0) {
        mu_json_raw(&out, NULL, list->members.data, list->members.length);
    }
    mu_json_close(&out, ']');
    mu_json_string(&out, "cursor", "0");
    mu_json_close(&out, '}');
    mu_json_print(&out, stdout);
    mu_buffer_deinit(&out);
}

static void print_text(const struct list *list, const char *session, bool pages) {
    printf("session %s: %" PRId64 " members, %s%s, term %" PRId64 ", seq %" PRId64
           ", generation %s\n",
           session, list->count, list->leader[0] != '\0' ? "led by " : "no leader", list->leader,
           list->term, list->seq, list->gen);
    if (pages) {
        puts("(read in pages: not one snapshot)");
    }
    mu_columns_print(list->columns, stdout);
}

static void deinit(struct list *list) {
    struct seen *seen = NULL;
    struct seen *next = NULL;
    HASH_ITER(hh, list->seen, seen, next) {
        HASH_DEL(list->seen, seen);
        free(seen);
    }
    free(list->gen);
    free(list->leader);
    mu_buffer_deinit(&list->members);
    mu_columns_destroy(&list->columns);
}

enum mu_ctl_exit mu_ctl_members(struct mu_ctl *ctl) {
    const char *session = ctl->options->argument;
    enum mu_ctl_exit status = MU_CTL_FINE;
    struct list list = {.ctl = ctl, .seq = -1};
    if (!mu_id_valid(session, strlen(session))) {
        fprintf(stderr,
                "musterctl: '%s' is no session: 1 to 128 bytes of A-Z a-z 0-9 . _ ~ @ | + = -\n",
                session);
        return MU_CTL_USAGE;
    }
    list.columns = mu_columns_create("CONNECTION|LEADING|USER|INSTANCE|>PRIORITY|>JOINED|PROFILE");
    list.now = mu_ask_now(ctl);
    mu_buffer_init(&list.members, 0);
    redisReply *length = mu_ask(ctl, "HLEN {%s}:session:%s", ctl->name_space, session);
    bool pages = mu_reply_number(length, 0) > SNAPSHOT_MAX;
    freeReplyObject(length);
    if (pages) {
        read_pages(ctl, &list);
    } else {
        read_snapshot(ctl, &list);
    }
    if (ctl->lost) {
        status = MU_CTL_UNREACHABLE;
    } else if (list.seq < 0) {
        fprintf(stderr, "musterctl: there is no session '%s' in namespace '%s'\n", session,
                ctl->name_space);
        status = MU_CTL_NO;
    } else if (ctl->options->json) {
        print_json(&list, session);
    } else {
        print_text(&list, session, pages);
    }
    deinit(&list);
    return status;
}
