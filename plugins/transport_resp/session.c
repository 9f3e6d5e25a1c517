/* session.c - bytes of one connection become requests, a bounded number a turn.
 *
 * The happy path: bytes are fed - the parser gives one request after the other - each is dispatched
 * - after RESP_TURN of them the rest is kept, and the owner comes back when the others had their
 * turn.
 *
 * Ways to fail: what comes is no request (said, then closed) or HTTP (closed); requests under way
 * or replies that are not read are at their bound (nothing is looked at until they are fewer, and
 * the owner stops reading); a request must wait for those before it (held); the door stops.
 */
#include "session.h"

#include <stdlib.h>
#include <string.h>

/* When all sockets together are at their bound, those that hold more than this part are closed. */
#define SHARE 1024

struct resp_session *resp_session_create(struct resp_door *door, const char *address,
                                         const char *peer, void (*wake)(void *context),
                                         void *context) {
    struct resp_session *session = resp_need(calloc(1, sizeof *session));
    session->door = door;
    session->id = ++door->last_session;
    session->born_at = session->asked_at = door->host->now_ms(door->plugin);
    strncpy(session->address, address, sizeof session->address - 1);
    strncpy(session->peer, peer, sizeof session->peer - 1);
    session->wake = wake;
    session->context = context;
    session->out.protocol = 2;
    session->last = &session->first;
    resp_parser_init(&session->parser, &door->settings.parser);
    session->next = door->sessions;
    session->link = &door->sessions;
    if (session->next != NULL) {
        session->next->link = &session->next;
    }
    door->sessions = session;
    door->session_count++;
    return session;
}

static void forget_bytes(struct resp_session *session) {
    resp_wipe(session->kept, session->kept_size);
    session->kept = session->bytes = NULL;
    session->left = session->kept_size = 0;
}

/* The backlog as the door counts it. */
static void account(struct resp_session *session) {
    size_t backlog = resp_session_backlog(session);
    resp_count_add(&session->door->counts, RESP_COUNT_OUTPUT,
                   (int64_t)backlog - (int64_t)session->counted);
    session->counted = backlog;
}

/* Nothing of the host's names this session any more. */
static void let_go(struct resp_session *session) {
    struct resp_door *door = session->door;
    resp_slots_clear(session);
    resp_group_drop(session);
    if (session->identity_id != 0) {
        door->host->cancel(door->plugin, session->identity_id);
        session->identity_id = 0;
    }
    session->identity = RESP_NOT_ASKED;
    free(session->hello_name);
    session->hello_name = NULL;
    resp_topics_remove_all(session);
    resp_lifelines_drop(session);
    resp_rate_leave(session);
    if (session->caller != NULL) {
        door->host->caller_release(door->plugin, &session->caller);
    }
}

void resp_session_destroy(struct resp_session **pointer) {
    struct resp_session *session = *pointer;
    *pointer = NULL;
    let_go(session);
    forget_bytes(session);
    resp_parser_deinit(&session->parser);
    resp_out_deinit(&session->out);
    session->handed = 0;
    account(session);
    *session->link = session->next;
    if (session->next != NULL) {
        session->next->link = session->link;
    }
    session->door->session_count--;
    free(session->certificate);
    free(session->name);
    free(session->library);
    free(session->library_version);
    free(session);
}

/* ---- output ---- */

size_t resp_session_backlog(const struct resp_session *session) {
    return session->out.length - session->out.sent + session->stored + session->handed;
}

void resp_session_wake(struct resp_session *session) {
    const struct resp_settings *settings = &session->door->settings;
    resp_slots_settle(session);
    account(session);
    if (session->ending != RESP_OVER) {
        int64_t total = session->door->counts.values[RESP_COUNT_OUTPUT];
        if (session->counted > settings->max_output ||
            (total > (int64_t)settings->max_output_total &&
             session->counted > settings->max_output_total / SHARE)) {
            session->ending = RESP_OVER;
            session->slow = true;
            resp_count_add(&session->door->counts, RESP_COUNT_SLOW, 1);
        }
    }
    session->wake(session->context);
}

void resp_session_sent(struct resp_session *session, size_t count, size_t handed) {
    if (count > 0) {
        resp_out_consume(&session->out, count);
    }
    if (session->out.length == 0) {
        resp_out_deinit(&session->out); /* an idle socket holds little */
    }
    session->handed = handed;
    account(session);
}

struct resp_out *resp_session_reply(struct resp_session *session) {
    return session->first == NULL ? &session->out : resp_slot_add_reply(session);
}

void resp_session_close(struct resp_session *session) {
    if (session->ending == RESP_OPEN) {
        session->ending = RESP_FLUSHING;
        forget_bytes(session);
    }
}

void resp_session_break(struct resp_session *session, const char *code, const char *message) {
    if (session->ending == RESP_OPEN) {
        resp_out_error(resp_session_reply(session), code, message);
        resp_session_close(session);
    }
}

bool resp_session_restricted(const struct resp_session *session) {
    return session->out.protocol == 2 && session->channels + session->patterns > 0;
}

/* ---- input ---- */

/* Is the next request looked at now? */
static bool may_look(const struct resp_session *session) {
    const struct resp_settings *settings = &session->door->settings;
    if (session->ending != RESP_OPEN || session->door->stopping || session->group != NULL ||
        session->identity != RESP_NOT_ASKED) {
        return false;
    }
    if (session->held) {
        return session->first == NULL;
    }
    return session->slots < settings->max_pending &&
           resp_session_backlog(session) <= settings->max_output / 2;
}

bool resp_session_runnable(const struct resp_session *session) {
    return (session->left > 0 || session->held) && may_look(session);
}

bool resp_session_reads(const struct resp_session *session) {
    return session->left == 0 && !session->held && may_look(session);
}

bool resp_session_over(const struct resp_session *session) {
    return session->ending == RESP_OVER ||
           (session->ending == RESP_FLUSHING && session->first == NULL &&
            resp_session_backlog(session) == 0);
}

/* The next request out of the bytes. False: there is none to dispatch. */
static bool parse(struct resp_session *session) {
    size_t consumed = 0;
    enum resp_parsed parsed =
        resp_parse(&session->parser, session->bytes, session->left, &consumed);
    session->bytes += consumed;
    session->left -= consumed;
    switch (parsed) {
    case RESP_MORE:
        session->partial = session->partial || consumed > 0;
        return false;
    case RESP_REQUEST:
        session->partial = false;
        if (session->parser.count == 0) {
            return false;
        }
        session->asked = true;
        resp_count_add(&session->door->counts, RESP_COUNT_REQUESTS, 1);
        return true;
    case RESP_HTTP:
        resp_count_add(&session->door->counts, RESP_COUNT_HTTP, 1);
        session->ending = RESP_OVER;
        return false;
    case RESP_BROKEN:
    default:
        resp_count_add(&session->door->counts, RESP_COUNT_BROKEN, 1);
        resp_session_break(session, "BAD_REQUEST", session->parser.error);
        resp_parser_wipe(&session->parser);
        return false;
    }
}

void resp_session_run(struct resp_session *session) {
    bool asked = false;
    for (size_t i = 0; i < RESP_TURN && may_look(session); i++) {
        if (!session->held) {
            if (session->left == 0) {
                break;
            }
            if (!parse(session)) {
                continue;
            }
            asked = true;
        }
        session->held = !resp_dispatch(session);
        if (!session->held) {
            resp_parser_wipe(&session->parser); /* a token, a credential, a resume secret? */
        }
    }
    if (asked) {
        session->asked_at = session->door->host->now_ms(session->door->plugin);
    }
    if (session->left == 0 && session->kept != NULL) {
        forget_bytes(session);
    }
    bool full = session->slots >= session->door->settings.max_pending;
    if (full && !session->paused) {
        resp_count_add(&session->door->counts, RESP_COUNT_PAUSED, 1);
    }
    session->paused = full;
    resp_session_wake(session);
}

static void take_in(struct resp_session *session, char *data, size_t length) {
    if (session->left > 0) {
        char *kept = resp_need(malloc(session->left + length));
        size_t size = session->left + length;
        memcpy(kept, session->bytes, session->left);
        memcpy(kept + session->left, data, length);
        forget_bytes(session);
        session->kept = session->bytes = kept;
        session->left = session->kept_size = size;
        resp_session_run(session);
        return;
    }
    session->bytes = data;
    session->left = length;
    resp_session_run(session);
    if (session->left > 0 && session->kept == NULL) {
        session->kept = resp_copy(session->bytes, session->left);
        session->kept_size = session->left;
        session->bytes = session->kept;
    }
}

/* Any request may hold a secret, also one that was not understood. */
void resp_session_feed(struct resp_session *session, char *data, size_t length) {
    if (session->ending == RESP_OPEN && length > 0) {
        take_in(session, data, length);
    }
    explicit_bzero(data, length);
}

void resp_session_certify(struct resp_session *session, const char *subject) {
    session->certificate = resp_copy(subject, strlen(subject));
    resp_identify(session, RESP_ASKED_CERTIFICATE, (struct muster_text){0},
                  (struct muster_text){0});
}

/* ---- ends ---- */

void resp_session_hung_up(struct resp_session *session) {
    resp_lifelines_cut(session);
    session->ending = RESP_OVER;
    let_go(session);
}

void resp_session_finish(struct resp_session *session) {
    if (session->ending == RESP_OPEN) {
        session->held = false;
        resp_group_drop(session);
        resp_session_close(session);
        resp_session_wake(session);
    }
}

void resp_session_abandon(struct resp_session *session) {
    const struct resp_door *door = session->door;
    while (session->first != NULL && session->ending != RESP_OVER) {
        struct resp_slot *slot = session->first;
        door->host->cancel(door->plugin, slot->ask.id);
        slot->ask.id = 0;
        resp_out_error(resp_slot_out(slot), resp_status_code(MUSTER_TIMEOUT),
                       "the daemon ends and waits no longer; the outcome is unknown");
        resp_slot_done(slot);
    }
}
