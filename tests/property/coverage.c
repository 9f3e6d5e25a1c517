/* coverage.c - the table of everything that must occur. */
#include "property/coverage.h"

#include <stdio.h>
#include <string.h>

#define CODE(name) "code " #name
#define LEFT(name) "left " name
#define LEADER(name) "leader " name

static const struct row {
    const char *name;
    /* Why it cannot occur here, and which test shows it; NULL: it must occur. */
    const char *elsewhere;
} rows[] = {
    {CODE(OK), NULL},
    {CODE(BAD_REQUEST), NULL},
    {CODE(BAD_ID), NULL},
    {CODE(BAD_JSON), NULL},
    {CODE(TOO_LARGE), NULL},
    {CODE(UNKNOWN_INSTANCE), NULL},
    {CODE(STALE_INCARNATION), NULL},
    {CODE(UNKNOWN_CONNECTION), NULL},
    {CODE(CONNECTION_TAKEN), NULL},
    {CODE(TOO_MANY_SESSIONS), NULL},
    {CODE(UNKNOWN_SESSION), NULL},
    {CODE(NOT_MEMBER), NULL},
    {CODE(NOT_ELIGIBLE), NULL},
    {CODE(SESSION_FULL), NULL},
    {CODE(BAD_TOKEN), NULL},
    {CODE(DRAINING), NULL},
    {CODE(DENIED), "a door's answer: no function authorizes"},
    {CODE(UNAUTHENTICATED), "a door's answer: no function knows who asks"},
    {CODE(ALIVE), NULL},
    {CODE(STALE_EPOCH), NULL},
    {CODE(STALE_TERM), NULL},
    {CODE(RATE_LIMITED), NULL},
    {CODE(OVERLOADED), "the daemon's answer when its queue is full: integration.link"},
    {CODE(UNAVAILABLE), NULL},
    {CODE(TIMEOUT), "the daemon's answer when Redis gives none: integration.link"},
    {CODE(INTERNAL), "damaged data only: integration.badinput_damage"},

    {"event member.joined", NULL},
    {"event member.left", NULL},
    {"event member.updated", NULL},
    {"event member.away", NULL},
    {"event member.resumed", NULL},
    {"event leader.changed", NULL},
    {"event instance.started", NULL},
    {"event instance.suspect", NULL},
    {"event instance.up", NULL},
    {"event instance.draining", NULL},
    {"event instance.undrained", NULL},
    {"event instance.move", NULL},
    {"event instance.stopped", NULL},
    {"event instance.dead", NULL},
    {"event coordinator.elected", NULL},
    {"event coordinator.released", NULL},
    {"event generation.changed", NULL},
    {"event brake.engaged", "published by the coordinator itself, not by a function"},
    {"event brake.released", "published by the coordinator itself, not by a function"},
    {"event survey", NULL}, /* of confirm, when heartbeat_ms is another one */

    {LEFT("left"), NULL},
    {LEFT("unregistered"), NULL},
    {LEFT("disconnected"), NULL},
    {LEFT("expired"), NULL},
    {LEFT("exclusive"), NULL},
    {LEFT("superseded"), NULL},
    {LEFT("kicked"), NULL},
    {LEFT("instance-stopped"), NULL},
    {LEFT("instance-restarted"), NULL},
    {LEFT("instance-dead"), NULL},

    {LEADER("left"), NULL},
    {LEADER("unregistered"), NULL},
    {LEADER("disconnected"), "an away member leads nothing: its end changes no leader"},
    {LEADER("expired"), NULL},
    {LEADER("exclusive"), NULL},
    {LEADER("superseded"), NULL},
    {LEADER("kicked"), NULL},
    {LEADER("instance-stopped"), NULL},
    {LEADER("instance-restarted"), NULL},
    {LEADER("instance-dead"), NULL},
    {LEADER("first"), NULL},
    {LEADER("promoted"), NULL},
    {LEADER("away"), NULL},
    {LEADER("draining"), NULL},
    {LEADER("instance-suspect"), NULL},
    {LEADER("eligible-again"), NULL},
    {LEADER("resumed"), NULL},
};

enum { ROWS = sizeof rows / sizeof *rows };
_Static_assert((int)ROWS <= (int)PM_COVERAGE_MOST, "room for every row");

static bool count(struct pm_coverage *coverage, const char *kind, const char *word) {
    char name[80];
    snprintf(name, sizeof name, "%s %s", kind, word);
    for (size_t i = 0; i < ROWS; i++) {
        if (strcmp(rows[i].name, name) != 0)
            continue;
        coverage->seen[i]++;
        return true;
    }
    return false;
}

void pm_coverage_call(struct pm_coverage *coverage, enum muster_status status) {
    count(coverage, "code", muster_status_code(status));
}

bool pm_coverage_event(struct pm_coverage *coverage, const char *channel, const json_t *event) {
    const char *name = json_string_value(json_object_get(event, "event"));
    const char *reason = json_string_value(json_object_get(event, "reason"));
    if (strcmp(channel, "heartbeat") == 0 || strcmp(channel, "signal") == 0)
        return true;
    if (name == NULL || !count(coverage, "event", name))
        return false;
    if (strcmp(name, "member.left") == 0)
        return reason != NULL && count(coverage, "left", reason);
    if (strcmp(name, "leader.changed") == 0)
        return reason != NULL && count(coverage, "leader", reason);
    return true;
}

bool pm_coverage_report(const struct pm_coverage *coverage) {
    bool complete = true;
    printf("%-32s %10s\n", "what", "occurred");
    for (size_t i = 0; i < ROWS; i++) {
        bool missing = coverage->seen[i] == 0 && rows[i].elsewhere == NULL;
        bool surprise = coverage->seen[i] > 0 && rows[i].elsewhere != NULL;
        printf("%-32s %10zu %s%s%s\n", rows[i].name, coverage->seen[i],
               rows[i].elsewhere == NULL ? "" : rows[i].elsewhere, missing ? "NEVER OCCURRED" : "",
               surprise ? " - BUT IT DID" : "");
        complete = complete && !missing && !surprise;
    }
    return complete;
}
