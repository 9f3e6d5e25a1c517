/* requests.c - what is asked of the host, and its answers.
 *
 * The happy path: an operation is submitted in a slot - the host's answer, in any later turn, is
 * written in the order of requests. A good answer to START or HEARTBEAT makes the session the
 * lifeline of that instance, one to STOP ends it.
 *
 * Ways to fail: the door or the host is full, the principal asked too often (answered in order, and
 * counted); the answer is an error (its code is the first word); the session ends first (cancelled,
 * nobody hears of it).
 */
#include <stdlib.h>
#include <string.h>

#include "session.h"

static const char *const codes[] = {"OK",
#define ROW(name, retry, meaning) #name,
                                    MUSTER_STATUS_TABLE(ROW)
#undef ROW
};

const char *resp_status_code(enum muster_status status) {
    return (unsigned)status < MUSTER_STATUS_COUNT ? codes[status] : "INTERNAL";
}

/* ---- replies ---- */

static bool is_operation(const struct resp_slot *slot, const char *name) {
    return slot->operation != NULL && strcmp(slot->operation->name, name) == 0;
}

/* `text` as a whole number that ends at `*end`. */
static bool read_integer(const char *text, char **end, long long *value) {
    if (*text != '-' && (*text < '0' || *text > '9')) {
        return false;
    }
    *value = strtoll(text, end, 10);
    return *end != text;
}

/* A list of whole numbers, as COUNT of several sessions gives. */
static bool write_integers(struct resp_out *out, const char *json) {
    size_t count = json[1] == ']' ? 0 : 1;
    for (const char *at = json; *at != '\0'; at++) {
        count += *at == ',';
    }
    char *end = NULL;
    long long value = 0;
    const char *at = json + 1;
    for (size_t i = 0; i < count; i++, at = end + 1) { /* all of them, before anything is written */
        if (!read_integer(at, &end, &value) || *end != (i + 1 < count ? ',' : ']')) {
            return false;
        }
    }
    resp_out_array(out, count);
    at = json + 1;
    for (size_t i = 0; i < count; i++, at = end + 1) {
        (void)read_integer(at, &end, &value);
        resp_out_integer(out, value);
    }
    return true;
}

static void write_result(struct resp_slot *slot, const struct muster_result *result) {
    struct resp_out *out = resp_slot_out(slot);
    char *end = NULL;
    long long value = 0;
    if (result->status != MUSTER_OK) {
        resp_out_error(out, resp_status_code(result->status),
                       result->message != NULL ? result->message : "");
    } else if (read_integer(result->json, &end, &value) && end == result->json + result->length) {
        resp_out_integer(out, value);
    } else if (!is_operation(slot, "COUNT") || result->json[0] != '[' ||
               !write_integers(out, result->json)) {
        resp_out_bulk(out, result->json, result->length);
    }
}

static void mind_lifeline(const struct resp_slot *slot) {
    if (slot->who.instance == NULL) {
        return;
    }
    if (is_operation(slot, "STOP")) {
        resp_lifeline_end(slot->ask.session->door, slot->who.instance, slot->who.incarnation);
    } else {
        resp_lifeline_take(slot->ask.session, slot->who.instance, slot->who.incarnation);
    }
}

void resp_door_replied(struct resp_door *door, void *context, const struct muster_result *result) {
    struct resp_slot *slot = context;
    (void)door;
    slot->ask.id = 0;
    if (result->status == MUSTER_OK) {
        mind_lifeline(slot);
    }
    write_result(slot, result);
    resp_slot_done(slot);
}

/* ---- requests ---- */

static void turn_down(struct resp_slot *slot, enum muster_status status, const char *sentence) {
    slot->ask.id = 0;
    resp_out_error(resp_slot_out(slot), resp_status_code(status), sentence);
    resp_slot_done(slot);
}

static const char *refusal(enum muster_status status) {
    return status == MUSTER_OVERLOADED ? "too many requests are pending in the daemon"
                                       : "the daemon takes no requests now";
}

/* A slot that counts as under way; NULL: the door is full, and that is answered. */
static struct resp_slot *begin(struct resp_session *session, enum resp_ask_kind kind) {
    struct resp_door *door = session->door;
    if (door->counts.values[RESP_COUNT_PENDING] >= (int64_t)door->settings.max_pending_total) {
        resp_count_add(&door->counts, RESP_COUNT_OVERLOADED, 1);
        resp_out_error(resp_session_reply(session), resp_status_code(MUSTER_OVERLOADED),
                       "too many requests are pending at this door");
        return NULL;
    }
    struct resp_slot *slot = resp_slot_add(session, kind);
    session->pending++;
    resp_count_add(&door->counts, RESP_COUNT_PENDING, 1);
    return slot;
}

/* Operations of an instance begin with the same two arguments. */
static void remember_who(struct resp_slot *slot, const struct muster_text *arguments,
                         size_t count) {
    if (count >= 2 && (is_operation(slot, "START") || is_operation(slot, "HEARTBEAT") ||
                       is_operation(slot, "STOP"))) {
        slot->who.instance = resp_copy(arguments[0].data, arguments[0].length);
        slot->who.incarnation = resp_copy(arguments[1].data, arguments[1].length);
    }
}

void resp_submit(struct resp_session *session, const struct muster_operation_info *operation,
                 const struct muster_text *arguments, size_t count) {
    const struct resp_door *door = session->door;
    struct resp_slot *slot = begin(session, RESP_ASK_OPERATION);
    if (slot == NULL) {
        return;
    }
    slot->operation = operation;
    remember_who(slot, arguments, count);
    enum muster_status status =
        door->host->submit(door->plugin,
                           &(struct muster_request){
                               .size = sizeof(struct muster_request),
                               .caller = session->caller,
                               .operation = {operation->name, strlen(operation->name)},
                               .arguments = arguments,
                               .count = count,
                               .peer = session->peer,
                               .context = slot,
                           },
                           &slot->ask.id);
    if (status != MUSTER_OK) {
        turn_down(slot, status, refusal(status));
    }
}

void resp_submit_metrics(struct resp_session *session) {
    const struct resp_door *door = session->door;
    struct resp_slot *slot = begin(session, RESP_ASK_METRICS);
    if (slot == NULL) {
        return;
    }
    const struct muster_resource resource = {0};
    enum muster_status status = door->host->authorize(
        door->plugin, session->caller, MUSTER_ACTION_ADMIN, &resource, &slot->ask, &slot->ask.id);
    if (status != MUSTER_OK) {
        turn_down(slot, status, refusal(status));
    }
}

static void gather(void *context, const char *text, size_t length) {
    resp_out_raw(context, text, length);
}

static void answer_metrics(struct resp_slot *slot, enum muster_status status, const char *message) {
    const struct resp_door *door = slot->ask.session->door;
    if (status != MUSTER_OK) {
        turn_down(slot, status, message != NULL ? message : "METRICS is for operators");
        return;
    }
    struct resp_out text = {0};
    slot->ask.id = 0;
    door->host->metrics_text(door->plugin, gather, &text);
    resp_out_bulk(resp_slot_out(slot), text.data, text.length);
    resp_out_deinit(&text);
    resp_slot_done(slot);
}

void resp_door_authorized(struct resp_door *door, void *context, enum muster_status status,
                          const char *message) {
    struct resp_ask *ask = context;
    (void)door;
    if (ask->kind == RESP_ASK_METRICS) {
        answer_metrics((struct resp_slot *)ask, status, message);
    } else {
        resp_group_authorized(ask, status, message);
    }
}

/* ---- who it is ---- */

void resp_identify(struct resp_session *session, enum resp_identity_stage stage,
                   struct muster_text user, struct muster_text token) {
    const struct resp_door *door = session->door;
    const struct muster_credentials credentials = {
        .purpose = MUSTER_PURPOSE_CALLER,
        .user = user,
        .token = token,
        .certificate = session->certificate,
        .peer = session->peer,
        .transport = "transport_resp",
    };
    session->identity = stage;
    enum muster_status status =
        door->host->authenticate(door->plugin, &credentials, session, &session->identity_id);
    if (status != MUSTER_OK) {
        session->identity = RESP_NOT_ASKED;
        session->identity_id = 0;
        resp_identified(session, stage, status, "the daemon can ask nobody who this is now");
    }
}

static bool is_anonymous(const struct resp_door *door, const struct muster_caller *caller) {
    return door->host->caller_principal(door->plugin, caller)->kind == MUSTER_PRINCIPAL_ANONYMOUS;
}

void resp_door_authenticated(struct resp_door *door, void *context, enum muster_status status,
                             struct muster_caller *caller, const char *message) {
    struct resp_session *session = context;
    enum resp_identity_stage stage = session->identity;
    session->identity = RESP_NOT_ASKED;
    session->identity_id = 0;
    resp_rate_leave(session);
    /* Credentials that do not hold take the identity before with them: nobody goes on as who they
     * were. */
    if (session->caller != NULL) {
        door->host->caller_release(door->plugin, &session->caller);
    }
    /* Whoever logs in wants to be somebody; with a password that means nothing here he is not. */
    if (status == MUSTER_OK && stage != RESP_ASKED_CERTIFICATE && is_anonymous(door, caller)) {
        door->host->caller_release(door->plugin, &caller);
        status = MUSTER_UNAUTHENTICATED;
        message = "no authenticator knows these credentials";
    }
    session->caller = status == MUSTER_OK ? caller : NULL;
    if (status != MUSTER_OK) {
        resp_count_add(&door->counts, RESP_COUNT_AUTH_FAILED, 1);
    }
    resp_identified(session, stage, status, message);
    resp_session_wake(session);
}
