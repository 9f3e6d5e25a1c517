/* slots.c - replies in the order of their requests, though answers come in any order.
 *
 * The first slot of the queue writes straight into the session's output. One behind it writes into
 * its own buffer, which follows when all before it are done.
 */
#include <stdlib.h>
#include <string.h>

#include "session.h"

static void free_slot(struct resp_slot *slot) {
    resp_out_deinit(&slot->reply);
    free(slot->who.instance);
    free(slot->who.incarnation);
    free(slot);
}

struct resp_slot *resp_slot_add(struct resp_session *session, enum resp_ask_kind kind) {
    struct resp_slot *slot = resp_need(calloc(1, sizeof *slot));
    slot->ask.kind = kind;
    slot->ask.session = session;
    slot->reply.protocol = session->out.protocol;
    session->slots++;
    *session->last = slot;
    session->last = &slot->next;
    return slot;
}

struct resp_out *resp_slot_out(struct resp_slot *slot) {
    struct resp_session *session = slot->ask.session;
    return session->first == slot ? &session->out : &slot->reply;
}

struct resp_out *resp_slot_add_reply(struct resp_session *session) {
    resp_slots_settle(session);
    session->written = resp_slot_add(session, RESP_ASK_OPERATION);
    session->written->done = true;
    return &session->written->reply;
}

void resp_slots_settle(struct resp_session *session) {
    if (session->written != NULL) {
        session->stored += session->written->reply.length;
        session->written = NULL;
    }
}

static void pop(struct resp_session *session) {
    struct resp_slot *slot = session->first;
    session->first = slot->next;
    session->slots--;
    if (session->first == NULL) {
        session->last = &session->first;
    }
    free_slot(slot);
}

void resp_slot_done(struct resp_slot *slot) {
    struct resp_session *session = slot->ask.session;
    resp_slots_settle(session);
    slot->done = true;
    session->pending--;
    resp_count_add(&session->door->counts, RESP_COUNT_PENDING, -1);
    session->stored += slot->reply.length;
    if (session->first == slot) {
        pop(session);
    }
    while (session->first != NULL && session->first->done) {
        const struct resp_out *reply = &session->first->reply;
        resp_out_raw(&session->out, reply->data, reply->length);
        session->stored -= reply->length;
        pop(session);
    }
    resp_session_wake(session);
}

void resp_slots_clear(struct resp_session *session) {
    const struct resp_door *door = session->door;
    while (session->first != NULL) {
        if (session->first->ask.id != 0) {
            door->host->cancel(door->plugin, session->first->ask.id);
        }
        pop(session);
    }
    resp_count_add(&session->door->counts, RESP_COUNT_PENDING, -(int64_t)session->pending);
    session->pending = session->stored = 0;
    session->written = NULL;
}
