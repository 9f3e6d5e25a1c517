#include "follow.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/ids.h"

#define HELD_MAX 512  /* events held while a snapshot is read; more: it is read again */
#define LEDGER_SIZE 8 /* the last leaders with their terms: replies and events are out of step */

enum state {
    BLIND,
    READING,
    ABSENT, /* the session does not exist */
    SYNCED,
};

/* A view with strings of its own. */
struct belief {
    bool exists;
    uint64_t seq, term, count;
    char gen[MU_ID_SIZE], leader[MU_ID_SIZE];
};

/* What of an event is still needed when a snapshot has come. */
struct held {
    enum mu_event_kind kind;
    bool closed;
    uint64_t seq, term, count;
    char *gen, *leader, *previous;
};

struct ledger_entry {
    uint64_t term;
    char leader[MU_ID_SIZE];
};

struct mu_follow {
    mu_follow_finding_cb finding;
    void *context;
    enum state state;
    bool closed_by_event; /* ABSENT because an event said so: the next one must open it */
    bool overflown;       /* more events than could be held */
    bool lenient;         /* an older data set may show, until it is written to */
    struct belief now;    /* from events and snapshots */
    struct belief reply;  /* from the last reply */
    uint64_t event_seq;   /* the highest that an event had; 0: none came yet */
    uint64_t event_term;  /* the same of terms */
    char event_gen[MU_ID_SIZE];
    uint64_t floor_seq, floor_term; /* no snapshot asked for now may be below */
    bool asked_lenient;             /* it was asked for before the session was written to */
    uint64_t ticket;
    uint64_t gaps;
    struct held *held;
    size_t held_count;
    struct ledger_entry ledger[LEDGER_SIZE];
    size_t ledger_next;
};

static void found(struct mu_follow *follow, bool certain, const char *kind, const char *format, ...)
    MU_PRINTF(4, 5);

static void found(struct mu_follow *follow, bool certain, const char *kind, const char *format,
                  ...) {
    char text[512];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    follow->finding(follow->context, certain, kind, text);
}

static void set_id(char out[MU_ID_SIZE], const char *id) {
    snprintf(out, MU_ID_SIZE, "%s", id);
}

static const char *or_nobody(const char *leader) {
    return *leader ? leader : "nobody";
}

struct mu_follow *mu_follow_create(mu_follow_finding_cb finding, void *context) {
    struct mu_follow *follow = mu_calloc(1, sizeof *follow);
    follow->finding = finding;
    follow->context = context;
    return follow;
}

static void forget_held(struct mu_follow *follow) {
    for (size_t i = 0; i < follow->held_count; i++) {
        free(follow->held[i].gen);
        free(follow->held[i].leader);
        free(follow->held[i].previous);
    }
    free(follow->held);
    follow->held = NULL;
    follow->held_count = 0;
    follow->overflown = false;
}

void mu_follow_destroy(struct mu_follow **follow) {
    if (!*follow)
        return;
    forget_held(*follow);
    free(*follow);
    *follow = NULL;
}

/* One term has one leader, whoever tells of it. */
static void note_leader(struct mu_follow *follow, bool certain, uint64_t term, const char *leader) {
    if (!*leader || !term)
        return;
    for (size_t i = 0; i < LEDGER_SIZE; i++) {
        const struct ledger_entry *entry = &follow->ledger[i];
        if (entry->term != term)
            continue;
        if (strcmp(entry->leader, leader) != 0)
            found(follow, certain, "two-leaders", "term %" PRIu64 " has leaders '%s' and '%s'",
                  term, entry->leader, leader);
        return;
    }
    if (!certain)
        return; /* not yet to be held against others */
    struct ledger_entry *entry = &follow->ledger[follow->ledger_next];
    follow->ledger_next = (follow->ledger_next + 1) % LEDGER_SIZE;
    entry->term = term;
    set_id(entry->leader, leader);
}

/* Checks that hold between one event and the next, whatever else is known. */
static void check_order(struct mu_follow *follow, const struct mu_event *event) {
    if (follow->event_seq && strcmp(follow->event_gen, event->gen) == 0) {
        if (event->seq == follow->event_seq)
            found(follow, true, "seq-repeated", "%s repeats seq %" PRIu64, event->name, event->seq);
        else if (event->seq < follow->event_seq)
            found(follow, true, "seq-backwards", "%s has seq %" PRIu64 " after %" PRIu64,
                  event->name, event->seq, follow->event_seq);
    }
    if (event->term < follow->event_term)
        found(follow, true, "term-fell", "%s has term %" PRIu64 " after %" PRIu64, event->name,
              event->term, follow->event_term);
    if (event->kind == MU_EVENT_LEADER_CHANGED)
        note_leader(follow, true, event->term, event->leader);
    if (strcmp(follow->event_gen, event->gen) != 0)
        follow->lenient = false;
    if (event->seq > follow->event_seq) {
        follow->event_seq = event->seq;
        set_id(follow->event_gen, event->gen);
    }
    if (event->term > follow->event_term)
        follow->event_term = event->term;
}

static void go_blind(struct mu_follow *follow) {
    follow->state = BLIND;
    forget_held(follow);
}

static void miss(struct mu_follow *follow, const struct held *event) {
    follow->gaps++;
    found(follow, true, "gap", "seq %" PRIu64 " after %" PRIu64, event->seq, follow->now.seq);
    go_blind(follow);
}

static void change_leader(struct mu_follow *follow, const struct held *event) {
    struct belief *now = &follow->now;
    if (strcmp(event->previous, now->leader) != 0)
        found(follow, true, "previous-differs",
              "seq %" PRIu64 " says '%s' led before, but it was '%s'", event->seq,
              or_nobody(event->previous), or_nobody(now->leader));
    if (event->term <= now->term)
        found(follow, true, "term-not-raised",
              "seq %" PRIu64 " makes '%s' lead in term %" PRIu64 " after term %" PRIu64, event->seq,
              or_nobody(event->leader), event->term, now->term);
    set_id(now->leader, event->leader);
}

static void expect_count(struct mu_follow *follow, const struct held *event, uint64_t expected) {
    if (event->count != expected)
        found(follow, true, "count-differs",
              "seq %" PRIu64 " counts %" PRIu64 " members instead of %" PRIu64, event->seq,
              event->count, expected);
    follow->now.count = event->count;
}

/* The next event of what is believed. */
static void apply(struct mu_follow *follow, const struct held *event) {
    struct belief *now = &follow->now;
    now->exists = true;
    now->seq = event->seq;
    if (event->kind == MU_EVENT_MEMBER_JOINED) {
        expect_count(follow, event, now->count + 1);
    } else if (event->kind == MU_EVENT_MEMBER_LEFT) {
        expect_count(follow, event, now->count ? now->count - 1 : 0);
    } else if (event->kind == MU_EVENT_LEADER_CHANGED) {
        change_leader(follow, event);
    } else if (event->kind == MU_EVENT_RESYNC) {
        go_blind(follow);
        return;
    }
    if (event->term > now->term)
        now->term = event->term;
    if (event->closed) {
        now->exists = false;
        now->count = 0;
        now->leader[0] = '\0';
        follow->state = ABSENT;
        follow->closed_by_event = true;
    }
}

static void open_session(struct mu_follow *follow, const struct held *event) {
    struct belief *now = &follow->now;
    follow->state = SYNCED;
    now->term = event->term;
    now->count = 0;
    now->leader[0] = '\0';
    set_id(now->gen, event->gen);
    apply(follow, event);
}

static void take(struct mu_follow *follow, const struct held *event) {
    struct belief *now = &follow->now;
    if (event->seq <= now->seq)
        return; /* late: a snapshot contained it already */
    if (follow->state == ABSENT) {
        if (event->kind == MU_EVENT_MEMBER_JOINED && event->count == 1)
            open_session(follow, event);
        else if (follow->closed_by_event && strcmp(event->gen, now->gen) == 0)
            miss(follow, event);
        else
            go_blind(follow);
        return;
    }
    if (strcmp(event->gen, now->gen) != 0)
        go_blind(follow); /* the first write in a new generation lifts seq and term */
    else if (event->seq != now->seq + 1)
        miss(follow, event);
    else
        apply(follow, event);
}

static void hold(struct mu_follow *follow, const struct held *event) {
    if (follow->held_count == HELD_MAX) {
        follow->overflown = true;
        return;
    }
    if (!follow->held)
        follow->held = mu_calloc(HELD_MAX, sizeof *follow->held);
    struct held *copy = &follow->held[follow->held_count++];
    *copy = *event;
    copy->gen = mu_strdup(event->gen);
    copy->leader = mu_strdup(event->leader);
    copy->previous = mu_strdup(event->previous);
}

void mu_follow_event(struct mu_follow *follow, const struct mu_event *event) {
    check_order(follow, event);
    const struct held digest = {
        .kind = event->kind,
        .closed = event->closed,
        .seq = event->seq,
        .term = event->term,
        .count = event->count,
        .gen = (char *)(uintptr_t)event->gen,
        .leader = (char *)(uintptr_t)event->leader,
        .previous = (char *)(uintptr_t)event->previous,
    };
    if (follow->state == READING)
        hold(follow, &digest);
    else if (follow->state != BLIND)
        take(follow, &digest);
}

static void believe(struct belief *belief, const struct mu_view *view) {
    belief->exists = view->exists;
    belief->seq = view->seq;
    belief->term = view->term;
    belief->count = view->count;
    set_id(belief->leader, view->leader);
    if (*view->gen)
        set_id(belief->gen, view->gen);
}

/* Not certain: Redis may have come back with older data, and an answer that changes nothing tells
 * of it before the next heartbeat names another generation. */
void mu_follow_reply(struct mu_follow *follow, const struct mu_view *reply) {
    if (!reply->seq || !reply->term)
        return; /* a session that does not exist has neither */
    if (reply->term < follow->reply.term)
        found(follow, false, "term-fell", "a reply has term %" PRIu64 " after %" PRIu64,
              reply->term, follow->reply.term);
    if (reply->seq < follow->reply.seq && strcmp(reply->gen, follow->reply.gen) == 0)
        found(follow, false, "seq-backwards", "a reply has seq %" PRIu64 " after %" PRIu64,
              reply->seq, follow->reply.seq);
    note_leader(follow, true, reply->term, reply->leader);
    believe(&follow->reply, reply);
    /* A reply may overtake the event that lifts the session into a new generation. */
    if (mu_follow_synced(follow) && reply->seq >= follow->now.seq && *reply->gen &&
        strcmp(reply->gen, follow->now.gen) != 0)
        go_blind(follow);
}

bool mu_follow_wants(const struct mu_follow *follow) {
    return follow->state == BLIND;
}

static uint64_t highest(uint64_t a, uint64_t b, uint64_t c) {
    uint64_t ab = a > b ? a : b;
    return ab > c ? ab : c;
}

uint64_t mu_follow_reading(struct mu_follow *follow) {
    forget_held(follow);
    follow->state = READING;
    /* An event of the new generation may overtake the snapshot, which is older nevertheless. */
    follow->asked_lenient = follow->lenient;
    follow->floor_seq = highest(follow->now.seq, follow->reply.seq, follow->event_seq);
    follow->floor_term = highest(follow->now.term, follow->reply.term, follow->event_term);
    return ++follow->ticket;
}

static void check_snapshot(struct mu_follow *follow, const struct mu_view *snapshot) {
    if (snapshot->seq < follow->floor_seq)
        found(follow, false, "snapshot-behind",
              "a snapshot has seq %" PRIu64 " when %" PRIu64 " was known", snapshot->seq,
              follow->floor_seq);
    if (snapshot->term < follow->floor_term)
        found(follow, false, "term-fell", "a snapshot has term %" PRIu64 " after %" PRIu64,
              snapshot->term, follow->floor_term);
    note_leader(follow, false, snapshot->term, snapshot->leader);
}

void mu_follow_snapshot(struct mu_follow *follow, uint64_t ticket, const struct mu_view *snapshot) {
    if (follow->state != READING || ticket != follow->ticket)
        return; /* asked for before the subscription was lost */
    if (!snapshot || follow->overflown) {
        go_blind(follow);
        return;
    }
    if (snapshot->exists) {
        if (!follow->asked_lenient)
            check_snapshot(follow, snapshot);
        believe(&follow->now, snapshot);
        follow->state = SYNCED;
    } else {
        follow->now.exists = false;
        follow->now.count = 0;
        follow->now.leader[0] = '\0';
        follow->state = ABSENT;
        follow->closed_by_event = false;
    }
    struct held *held = follow->held;
    size_t count = follow->held_count;
    follow->held = NULL;
    follow->held_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (follow->state == SYNCED || follow->state == ABSENT)
            take(follow, &held[i]);
        free(held[i].gen);
        free(held[i].leader);
        free(held[i].previous);
    }
    free(held);
}

void mu_follow_lost(struct mu_follow *follow) {
    go_blind(follow);
}

void mu_follow_new_generation(struct mu_follow *follow) {
    follow->lenient = true;
    go_blind(follow);
}

bool mu_follow_synced(const struct mu_follow *follow) {
    return follow->state == SYNCED || follow->state == ABSENT;
}

struct mu_view mu_follow_view(const struct mu_follow *follow) {
    bool reply_knows_more = !mu_follow_synced(follow) && follow->reply.seq > follow->now.seq;
    const struct belief *belief = reply_knows_more ? &follow->reply : &follow->now;
    return (struct mu_view){
        .exists = belief->exists,
        .gen = belief->gen,
        .leader = belief->leader,
        .seq = belief->seq,
        .term = belief->term,
        .count = belief->count,
    };
}

uint64_t mu_follow_gaps(const struct mu_follow *follow) {
    return follow->gaps;
}
