/* brief.c - what happened within a second, as a few lines.
 *
 * `leader.changed` names connections; people think of instances. Where the new leader and the old
 * one are is read from the session when the second is over; of those who left, their `member.left`
 * told it.
 */
#include "brief.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "base/table.h"
#include "event_text.h"
#include "reach.h"
#include "table.h"
#include "terminal.h"

#define NAME 136          /* an id, or a word for one */
#define CHANGES_MAX 20000 /* more changes of leaders in a second are counted, not explained */
#define GROUPS 64
#define LINES 6
#define BATCH 500

struct tally {
    char name[NAME]; /* a reason of leaving */
    uint64_t count;
};

struct change {
    char *session;
    char *leader;   /* "": nobody */
    char *previous; /* "": nobody */
    char from[NAME];
    char to[NAME];
    const char *reason; /* in the list of reasons */
    int64_t at;
};

struct group {
    const char *from;
    const char *reason;
    uint64_t count;
    int64_t first, last;
    struct tally to[GROUPS];
    size_t to_count;
};

struct left { /* who left, and from which instance */
    UT_hash_handle hh;
    char instance[NAME];
    char key[]; /* session/connection */
};

struct suspicion {
    UT_hash_handle hh;
    int64_t at;
    char instance[];
};

struct mu_brief {
    struct mu_ctl *ctl;
    bool colour;
    int64_t at; /* of the last event */
    uint64_t joined, left, updated, away, resumed, changed, opened, closed;
    struct tally reasons[32];
    size_t reason_count;
    struct tally leader_reasons[32];
    size_t leader_reason_count;
    struct change *changes;
    size_t change_count;
    struct left *gone;
    struct suspicion *suspicions;
    FILE *out; /* while lines are made */
};

static void name_copy(char out[NAME], const char *text) {
    snprintf(out, NAME, "%.*s", NAME - 1, text);
}

static struct tally *count_name(struct tally *list, size_t *count, size_t room, const char *name) {
    for (size_t i = 0; i < *count; i++) {
        if (strcmp(list[i].name, name) == 0) {
            list[i].count++;
            return &list[i];
        }
    }
    if (*count == room) {
        name_copy(list[room - 1].name, "others");
        list[room - 1].count++;
        return &list[room - 1];
    }
    name_copy(list[*count].name, name);
    list[*count].count = 1;
    return &list[(*count)++];
}

static const char *text(const json_t *event, const char *name) {
    const char *value = json_string_value(json_object_get(event, name));
    return value != NULL ? value : "";
}

struct mu_brief *mu_brief_create(struct mu_ctl *ctl, bool colour) {
    struct mu_brief *brief = mu_calloc(1, sizeof *brief);
    brief->ctl = ctl;
    brief->colour = colour;
    return brief;
}

static char *pair_key(const char *session, const char *connection) {
    size_t size = strlen(session) + strlen(connection) + 2;
    char *key = mu_calloc(1, size);
    snprintf(key, size, "%s/%s", session, connection);
    return key;
}

static void note_left(struct mu_brief *brief, const json_t *event) {
    brief->left++;
    count_name(brief->reasons, &brief->reason_count, 32, text(event, "reason"));
    brief->closed += json_is_true(json_object_get(event, "closed"));
    char *key = pair_key(text(event, "session"), text(event, "connection"));
    struct left *left = NULL;
    HASH_FIND(hh, brief->gone, key, strlen(key), left);
    if (left == NULL) {
        left = mu_calloc(1, sizeof *left + strlen(key) + 1);
        memcpy(left->key, key, strlen(key) + 1);
        HASH_ADD(hh, brief->gone, key, (unsigned)strlen(key), left);
    }
    name_copy(left->instance, text(event, "instance"));
    free(key);
}

static void note_change(struct mu_brief *brief, const json_t *event) {
    brief->changed++;
    struct tally *reason =
        count_name(brief->leader_reasons, &brief->leader_reason_count, 32, text(event, "reason"));
    if (brief->change_count == CHANGES_MAX) {
        return;
    }
    if (brief->changes == NULL) {
        brief->changes = mu_calloc(CHANGES_MAX, sizeof *brief->changes);
    }
    struct change *change = &brief->changes[brief->change_count++];
    change->session = mu_strdup(text(event, "session"));
    change->leader = mu_strdup(text(event, "leader"));
    change->previous = mu_strdup(text(event, "previous"));
    change->reason = reason->name;
    change->at = json_integer_value(json_object_get(event, "at"));
}

static void note_suspicion(struct mu_brief *brief, const json_t *event) {
    const char *instance = text(event, "instance");
    struct suspicion *suspicion = NULL;
    HASH_FIND(hh, brief->suspicions, instance, strlen(instance), suspicion);
    if (suspicion == NULL) {
        suspicion = mu_calloc(1, sizeof *suspicion + strlen(instance) + 1);
        memcpy(suspicion->instance, instance, strlen(instance) + 1);
        HASH_ADD(hh, brief->suspicions, instance, (unsigned)strlen(instance), suspicion);
    }
    suspicion->at = json_integer_value(json_object_get(event, "at"));
}

static void print_now(struct mu_brief *brief, const json_t *event) {
    struct mu_buffer line;
    mu_buffer_init(&line, 0);
    mu_event_text(&line, event, brief->colour);
    mu_print_line(line.data, line.length);
    fflush(stdout);
    mu_buffer_deinit(&line);
}

void mu_brief_event(struct mu_brief *brief, const json_t *event) {
    const char *kind = text(event, "event");
    if (text(event, "session")[0] == '\0') {
        if (strcmp(kind, "instance.suspect") == 0) {
            note_suspicion(brief, event);
        }
        print_now(brief, event);
        return;
    }
    brief->at = json_integer_value(json_object_get(event, "at"));
    if (strcmp(kind, "member.joined") == 0) {
        brief->joined++;
        brief->opened += json_integer_value(json_object_get(event, "count")) == 1;
    } else if (strcmp(kind, "member.left") == 0) {
        note_left(brief, event);
    } else if (strcmp(kind, "leader.changed") == 0) {
        note_change(brief, event);
    } else if (strcmp(kind, "member.away") == 0) {
        brief->away++;
    } else if (strcmp(kind, "member.resumed") == 0) {
        brief->resumed++;
    } else {
        brief->updated++;
    }
}

/* ---- where leaders are --------------------------------------------------------------------- */

static void take_instance(char out[NAME], const redisReply *member) {
    static const char label[] = "\"instance\":\"";
    const char *at = strstr(mu_reply_text(member), label);
    if (at != NULL) {
        at += sizeof label - 1;
        snprintf(out, NAME, "%.*s", (int)strcspn(at, "\""), at);
    }
}

static void locate_left(struct mu_brief *brief, const char *session, const char *connection,
                        char out[NAME]) {
    struct left *left = NULL;
    char *key = pair_key(session, connection);
    HASH_FIND(hh, brief->gone, key, strlen(key), left);
    if (left != NULL) {
        name_copy(out, left->instance);
    }
    free(key);
}

static void locate(struct mu_brief *brief) {
    struct mu_ctl *ctl = brief->ctl;
    const char *ns = ctl->name_space;
    if (ctl->lost) { /* the last time; by now the feed is back */
        struct mu_error error;
        redisFree(ctl->redis);
        ctl->redis = mu_ctl_connect(ctl, "musterctl", &error);
        ctl->lost = ctl->redis == NULL;
    }
    for (size_t from = 0; from < brief->change_count; from += BATCH) {
        size_t to = from + BATCH < brief->change_count ? from + BATCH : brief->change_count;
        for (size_t i = from; i < to; i++) {
            const struct change *change = &brief->changes[i];
            mu_send(ctl, "HGET {%s}:session:%s %s", ns, change->session, change->leader);
            mu_send(ctl, "HGET {%s}:session:%s %s", ns, change->session, change->previous);
        }
        for (size_t i = from; i < to; i++) {
            struct change *change = &brief->changes[i];
            redisReply *leader = mu_receive(ctl);
            redisReply *previous = mu_receive(ctl);
            name_copy(change->to, change->leader[0] == '\0' ? "nobody" : "?");
            name_copy(change->from, change->previous[0] == '\0' ? "nobody" : "?");
            take_instance(change->to, leader);
            take_instance(change->from, previous);
            locate_left(brief, change->session, change->previous, change->from);
            if (strcmp(change->to, "?") == 0) { /* it leads no more, and has left since */
                locate_left(brief, change->session, change->leader, change->to);
            }
            freeReplyObject(leader);
            freeReplyObject(previous);
        }
    }
}

/* ---- printing ------------------------------------------------------------------------------ */

/* The fate of a whole instance is told by itself; single members coming and going are one line. */
static bool of_instance(const char *reason) {
    return strncmp(reason, "instance-", 9) == 0 || strcmp(reason, "draining") == 0 ||
           strcmp(reason, "eligible-again") == 0;
}

static void group_change(struct group *groups, size_t *count, const struct change *change) {
    bool whole = of_instance(change->reason);
    bool first = strcmp(change->reason, "first") == 0;
    const char *from = whole ? change->from : "";
    const char *reason = whole || first ? change->reason : "left";
    size_t i = 0;
    while (i < *count &&
           (strcmp(groups[i].from, from) != 0 || strcmp(groups[i].reason, reason) != 0)) {
        i++;
    }
    if (i == *count) {
        if (i == GROUPS) {
            i--; /* so many causes in one second: the last line takes the rest */
        } else {
            groups[i] = (struct group){.from = from, .reason = reason, .first = change->at};
            (*count)++;
        }
    }
    groups[i].count++;
    groups[i].first = change->at < groups[i].first ? change->at : groups[i].first;
    groups[i].last = change->at > groups[i].last ? change->at : groups[i].last;
    count_name(groups[i].to, &groups[i].to_count, GROUPS, change->to);
}

static int by_count(const void *a, const void *b) {
    uint64_t left = ((const struct tally *)a)->count;
    uint64_t right = ((const struct tally *)b)->count;
    return (left < right) - (left > right);
}

static void print_group(struct mu_brief *brief, struct group *group) {
    char clock[MU_CLOCK_SIZE];
    struct suspicion *suspicion = NULL;
    HASH_FIND(hh, brief->suspicions, group->from, strlen(group->from), suspicion);
    fprintf(brief->out, "%s  %sleaders%s               %" PRIu64 " ",
            mu_clock_text(clock, group->last), brief->colour ? "\033[1;33m" : "",
            brief->colour ? "\033[0m" : "", group->count);
    if (group->from[0] != '\0') {
        fprintf(brief->out, "moved from %s to ", group->from);
    } else if (strcmp(group->reason, "first") == 0) {
        fprintf(brief->out, "are the first of their sessions: ");
    } else {
        fprintf(brief->out, "passed on as members left or handed over, to ");
    }
    qsort(group->to, group->to_count, sizeof group->to[0], by_count);
    for (size_t i = 0; i < group->to_count && i < 8; i++) {
        fprintf(brief->out, "%s%s (%" PRIu64 ")", i > 0 ? ", " : "", group->to[i].name,
                group->to[i].count);
    }
    fprintf(brief->out, "%s", group->to_count > 8 ? ", ..." : "");
    if (group->from[0] != '\0') {
        fprintf(brief->out, " in %" PRId64 " ms  (%s)", group->last - group->first, group->reason);
    }
    if (suspicion != NULL && strcmp(group->reason, "instance-suspect") == 0 &&
        group->last >= suspicion->at && group->last - suspicion->at < 60000) {
        fprintf(brief->out, ", %" PRId64 " ms after the suspicion", group->last - suspicion->at);
    }
    fputc('\n', brief->out);
}

static void print_changes(struct mu_brief *brief) {
    struct group *groups = mu_calloc(GROUPS, sizeof *groups);
    uint64_t rest = brief->changed - brief->change_count;
    size_t count = 0;
    locate(brief);
    for (size_t i = 0; i < brief->change_count; i++) {
        group_change(groups, &count, &brief->changes[i]);
    }
    for (size_t i = 0; i < count; i++) {
        if (i < LINES) {
            print_group(brief, &groups[i]);
        } else {
            rest += groups[i].count;
        }
    }
    if (rest > 0) {
        fprintf(brief->out, "                            %" PRIu64 " more changes of leaders\n",
                rest);
    }
    free(groups);
}

static void print_members(const struct mu_brief *brief) {
    char clock[MU_CLOCK_SIZE];
    fprintf(brief->out, "%s  members              ", mu_clock_text(clock, brief->at));
    if (brief->joined > 0) {
        fprintf(brief->out, " %s+%" PRIu64 " joined%s", brief->colour ? "\033[32m" : "",
                brief->joined, brief->colour ? "\033[0m" : "");
    }
    if (brief->left > 0) {
        fprintf(brief->out, " %s-%" PRIu64 " left%s (", brief->colour ? "\033[31m" : "",
                brief->left, brief->colour ? "\033[0m" : "");
        for (size_t i = 0; i < brief->reason_count; i++) {
            fprintf(brief->out, "%s%s %" PRIu64, i > 0 ? ", " : "", brief->reasons[i].name,
                    brief->reasons[i].count);
        }
        fputc(')', brief->out);
    }
    const struct {
        uint64_t count;
        const char *what;
    } others[] = {{brief->updated, "updated"},
                  {brief->away, "away"},
                  {brief->resumed, "resumed"},
                  {brief->opened, "sessions opened"},
                  {brief->closed, "sessions closed"}};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        if (others[i].count > 0) {
            fprintf(brief->out, "  %" PRIu64 " %s", others[i].count, others[i].what);
        }
    }
    fputc('\n', brief->out);
}

static void forget(struct mu_brief *brief) {
    struct left *left = NULL;
    struct left *next = NULL;
    HASH_ITER(hh, brief->gone, left, next) {
        HASH_DEL(brief->gone, left);
        free(left);
    }
    for (size_t i = 0; i < brief->change_count; i++) {
        free(brief->changes[i].session);
        free(brief->changes[i].leader);
        free(brief->changes[i].previous);
    }
    brief->change_count = 0;
    brief->reason_count = 0;
    brief->leader_reason_count = 0;
    brief->joined = brief->left = brief->updated = brief->away = brief->resumed = 0;
    brief->changed = brief->opened = brief->closed = 0;
}

/* What was collected in `out`. */
static void print_lines(const char *text) {
    while (*text != '\0') {
        size_t length = strcspn(text, "\n");
        mu_print_line(text, length);
        text += length + (text[length] == '\n');
    }
}

void mu_brief_tick(struct mu_brief *brief) {
    char *text = NULL;
    size_t length = 0;
    brief->out = open_memstream(&text, &length);
    if (brief->out == NULL) {
        abort(); /* out of memory, as in alloc.c */
    }
    if (brief->joined + brief->left + brief->updated + brief->away + brief->resumed > 0) {
        print_members(brief);
    }
    if (brief->changed > 0) {
        print_changes(brief);
    }
    fclose(brief->out);
    brief->out = NULL;
    print_lines(text);
    free(text);
    fflush(stdout);
    forget(brief);
}

void mu_brief_destroy(struct mu_brief **brief) {
    struct mu_brief *old = *brief;
    struct suspicion *suspicion = NULL;
    struct suspicion *next = NULL;
    *brief = NULL;
    if (old == NULL) {
        return;
    }
    forget(old);
    HASH_ITER(hh, old->suspicions, suspicion, next) {
        HASH_DEL(old->suspicions, suspicion);
        free(suspicion);
    }
    free(old->changes);
    free(old);
}
