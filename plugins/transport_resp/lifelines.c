/* lifelines.c - whose death the end of a socket is.
 *
 * The happy path: START or HEARTBEAT was answered: the session that sent it is the lifeline of that
 * incarnation, and no other one of this daemon is - the peer is gone - the channel `signal` tells
 * the coordinator, which suspects the instance at once.
 *
 * Ways to fail: Redis cannot be told (counted; silence is noticed later); the instance has moved
 * to another daemon, where the end of its old socket is not known: the signal says how long that
 * one was quiet, and the coordinator compares it with the heartbeats that it heard. No signal when
 * the instance stopped, the client said QUIT or RESET, or this side closed.
 */
#include <inttypes.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "session.h"

struct resp_lifeline {
    struct resp_lifeline *next, **link; /* of the session */
    struct resp_session *session;
    char *instance, *incarnation;
    uint64_t answered_at; /* host->now_ms: its last START or HEARTBEAT */
};

static int compare(const void *left, const void *right) {
    return strcmp(((const struct resp_lifeline *)left)->instance,
                  ((const struct resp_lifeline *)right)->instance);
}

static struct resp_lifeline *find(const struct resp_door *door, const char *instance) {
    struct resp_lifeline wanted = {.instance = (char *)(uintptr_t)instance}; /* only read */
    struct resp_lifeline *const *found = tfind(&wanted, &door->lifelines, compare);
    return found != NULL ? *found : NULL;
}

static void detach(struct resp_lifeline *lifeline) {
    *lifeline->link = lifeline->next;
    if (lifeline->next != NULL) {
        lifeline->next->link = lifeline->link;
    }
    lifeline->session->lifeline_count--;
}

static void attach(struct resp_lifeline *lifeline, struct resp_session *session) {
    lifeline->session = session;
    lifeline->next = session->lifelines;
    lifeline->link = &session->lifelines;
    if (lifeline->next != NULL) {
        lifeline->next->link = &lifeline->next;
    }
    session->lifelines = lifeline;
    session->lifeline_count++;
}

static void end(struct resp_door *door, struct resp_lifeline *lifeline) {
    detach(lifeline);
    tdelete(lifeline, &door->lifelines, compare);
    free(lifeline->instance);
    free(lifeline->incarnation);
    free(lifeline);
    resp_count_add(&door->counts, RESP_COUNT_LIFELINES, -1);
}

void resp_lifeline_take(struct resp_session *session, const char *instance,
                        const char *incarnation) {
    struct resp_door *door = session->door;
    struct resp_lifeline *lifeline = find(door, instance);
    uint64_t now = door->host->now_ms(door->plugin);
    if (lifeline != NULL && lifeline->session == session &&
        strcmp(lifeline->incarnation, incarnation) == 0) {
        lifeline->answered_at = now; /* as every second */
        return;
    }
    if (lifeline != NULL) {
        end(door, lifeline);
    }
    if (session->lifeline_count >= RESP_LIFELINES_MAX) {
        return; /* silence is noticed in their case */
    }
    lifeline = resp_need(calloc(1, sizeof *lifeline));
    lifeline->instance = resp_copy(instance, strlen(instance));
    lifeline->incarnation = resp_copy(incarnation, strlen(incarnation));
    lifeline->answered_at = now;
    attach(lifeline, session);
    (void)resp_need(tsearch(lifeline, &door->lifelines, compare));
    resp_count_add(&door->counts, RESP_COUNT_LIFELINES, 1);
}

void resp_lifeline_end(struct resp_door *door, const char *instance, const char *incarnation) {
    struct resp_lifeline *lifeline = find(door, instance);
    if (lifeline != NULL && strcmp(lifeline->incarnation, incarnation) == 0) {
        end(door, lifeline);
    }
}

/* For how long the socket brought nothing of that instance. 0: a START or HEARTBEAT is under way.
 */
static uint64_t quiet_ms(const struct resp_session *session, const struct resp_lifeline *lifeline) {
    const struct resp_door *door = session->door;
    for (const struct resp_slot *slot = session->first; slot != NULL; slot = slot->next) {
        if (slot->who.instance != NULL && strcmp(slot->who.instance, lifeline->instance) == 0) {
            return 0;
        }
    }
    return door->host->now_ms(door->plugin) - lifeline->answered_at;
}

void resp_lifelines_cut(struct resp_session *session) {
    struct resp_door *door = session->door;
    for (const struct resp_lifeline *at = session->lifelines; at != NULL && !door->stopping;
         at = at->next) {
        char text[512]; /* three ids of at most 128 bytes, which need no escape */
        int length = snprintf(text, sizeof text,
                              "{\"signal\":\"lifeline\",\"instance\":\"%s\",\"incarnation\":\"%s\","
                              "\"daemon\":\"%s\",\"quiet_ms\":%" PRIu64 "}",
                              at->instance, at->incarnation, door->host->daemon_id(door->plugin),
                              quiet_ms(session, at));
        bool told = door->host->publish(door->plugin, "signal", text, (size_t)length) == MUSTER_OK;
        resp_count_add(&door->counts, told ? RESP_COUNT_SIGNALS : RESP_COUNT_SIGNALS_LOST, 1);
    }
    resp_lifelines_drop(session);
}

void resp_lifelines_drop(struct resp_session *session) {
    struct resp_lifeline *next = NULL;
    for (struct resp_lifeline *at = session->lifelines; at != NULL; at = next) {
        next = at->next;
        end(session->door, at);
    }
}
