/* requests.c - the life of a request at this door.
 *
 * The happy path: a message is read - who asks is asked of the authenticators, when there is a
 * token
 * - the reply_to rule allows its inbox - submitted - the host's result is published there.
 *
 * Ways to fail: what cannot be read, or would be answered into somebody else's inbox, is refused:
 * counted, and answered nowhere. A fault of the request, a bound of this door, an authentication
 * that failed and a submission that the host turns down are answered, if the rule allows it for a
 * requester of whom nothing is known. When the door stops, what is still pending after a second is
 * answered TIMEOUT. A requester that has gone is not noticed: its answer is published to nobody.
 */
#include "door.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "rule.h"

/* How many requests an inbox waits for. A balanced tree, not a hash table: the names are chosen by
 * strangers. */
struct inbox {
    char id[PUBSUB_ID_MAX + 1];
    size_t pending;
};

struct pubsub_request {
    struct pubsub_request *next;
    struct pubsub_request **link; /* what points here */
    struct pubsub_message *message;
    uint64_t id;  /* of the host, for cancel() */
    bool allowed; /* to be answered into its inbox */
};

static int compare(const void *left, const void *right) {
    return strcmp(((const struct inbox *)left)->id, ((const struct inbox *)right)->id);
}

static struct inbox *find_inbox(const struct pubsub_door *door, const char *id) {
    struct inbox key = {0};
    memcpy(key.id, id, strlen(id) + 1);
    struct inbox *const *found = tfind(&key, &door->inboxes, compare);
    return found != NULL ? *found : NULL;
}

/* ---- answers ---- */

static void publish(struct pubsub_door *door, const struct pubsub_message *message,
                    const struct muster_result *result) {
    struct muster_result too_large =
        pubsub_error(MUSTER_TOO_LARGE, "the answer is larger than max_answer; ask for it in pages");
    char channel[PUBSUB_ID_MAX + sizeof "inbox:"] = "inbox:";
    size_t length = 0;
    if (result->status == MUSTER_OK && result->length > door->limits.max_answer) {
        result = &too_large;
    }
    char *text = pubsub_answer(message->id, result, &length);
    memcpy(channel + sizeof "inbox:" - 1, message->inbox, strlen(message->inbox) + 1);
    bool given = door->host->publish(door->plugin, channel, text, length) == MUSTER_OK;
    pubsub_count(door, given ? PUBSUB_ANSWERS : PUBSUB_LOST);
    free(text);
}

/* An error; `allowed`: the rule has allowed this inbox, else it is asked as for one of whom nothing
 * is known. Takes the message. */
static void turn_down(struct pubsub_door *door, struct pubsub_message *message, bool allowed,
                      enum muster_status status, const char *sentence) {
    enum pubsub_refusal rule =
        allowed ? PUBSUB_ACCEPTED
                : pubsub_rule(message, NULL, door->operations, door->operation_count);
    if (rule == PUBSUB_ACCEPTED) {
        struct muster_result result = pubsub_error(status, sentence);
        publish(door, message, &result);
    } else {
        pubsub_refuse(door, rule);
    }
    pubsub_message_free(&message);
}

/* ---- pending ---- */

static struct pubsub_request *add(struct pubsub_door *door, struct pubsub_message *message) {
    struct pubsub_request *request = calloc(1, sizeof *request);
    struct inbox *inbox = find_inbox(door, message->inbox);
    if (inbox == NULL) {
        inbox = calloc(1, sizeof *inbox);
        if (inbox != NULL) {
            memcpy(inbox->id, message->inbox, sizeof inbox->id);
        }
        if (inbox == NULL || tsearch(inbox, &door->inboxes, compare) == NULL) {
            abort(); /* bounded by max_pending: the machine is at its end */
        }
    }
    if (request == NULL) {
        abort();
    }
    inbox->pending++;
    request->message = message;
    request->next = door->requests;
    request->link = &door->requests;
    if (request->next != NULL) {
        request->next->link = &request->next;
    }
    door->requests = request;
    door->pending++;
    door->pending_bytes += message->size;
    door->host->metric_add(door->pending_metric, 1);
    return request;
}

/* The message is the caller's from now on. */
static struct pubsub_message *take(struct pubsub_door *door, struct pubsub_request *request) {
    struct pubsub_message *message = request->message;
    struct inbox *inbox = find_inbox(door, message->inbox);
    if (--inbox->pending == 0) {
        tdelete(inbox, &door->inboxes, compare);
        free(inbox);
    }
    *request->link = request->next;
    if (request->next != NULL) {
        request->next->link = request->link;
    }
    free(request);
    door->pending--;
    door->pending_bytes -= message->size;
    door->host->metric_add(door->pending_metric, -1);
    return message;
}

static void check_drained(struct pubsub_door *door) {
    if (door->stopping && door->pending == 0) {
        pubsub_drained(door);
    }
}

static const char *full(const struct pubsub_door *door, const struct pubsub_message *message) {
    const struct inbox *inbox = find_inbox(door, message->inbox);
    if (door->pending >= door->limits.max_pending ||
        door->pending_bytes + message->size > door->limits.max_pending_bytes) {
        return "too many requests are pending at this door";
    }
    if (inbox != NULL && inbox->pending >= door->limits.max_pending_per_inbox) {
        return "too many requests are pending for this inbox";
    }
    return NULL;
}

/* ---- the stages ---- */

static void submit(struct pubsub_door *door, struct pubsub_request *request,
                   struct muster_caller *caller) {
    const struct pubsub_message *message = request->message;
    enum muster_status status = door->host->submit(door->plugin,
                                                   &(struct muster_request){
                                                       .size = sizeof(struct muster_request),
                                                       .caller = caller,
                                                       .operation = message->operation,
                                                       .arguments = message->arguments,
                                                       .count = message->count,
                                                       .timeout_ms = message->timeout_ms,
                                                       .context = request,
                                                   },
                                                   &request->id);
    if (status != MUSTER_OK) {
        turn_down(door, take(door, request), true, status,
                  status == MUSTER_OVERLOADED ? "too many requests are pending in the daemon"
                                              : "the daemon takes no requests now");
    }
}

static void authenticate(struct pubsub_door *door, struct pubsub_request *request) {
    struct pubsub_message *message = request->message;
    enum muster_status status = door->host->authenticate(door->plugin,
                                                         &(struct muster_credentials){
                                                             .purpose = MUSTER_PURPOSE_CALLER,
                                                             .token = message->token,
                                                             .transport = "transport_pubsub",
                                                         },
                                                         request, &request->id);
    pubsub_message_forget_token(message);
    if (status != MUSTER_OK) {
        turn_down(door, take(door, request), false, status,
                  "the daemon can ask nobody who this is now");
    }
}

void pubsub_receive(struct pubsub_door *door, const char *payload, size_t length) {
    struct pubsub_message *message = NULL;
    enum pubsub_refusal refusal = PUBSUB_TOO_LARGE;
    pubsub_count(door, PUBSUB_MESSAGES);
    if (length <= door->limits.max_message) {
        refusal = pubsub_message_read(payload, length, door->prefix, &message);
    }
    if (refusal != PUBSUB_ACCEPTED) {
        pubsub_refuse(door, refusal);
        return;
    }
    if (message->fault != MUSTER_OK) {
        turn_down(door, message, false, message->fault, message->sentence);
        return;
    }
    const char *bound = full(door, message);
    if (bound != NULL) {
        pubsub_count(door, PUBSUB_OVERLOADED);
        turn_down(door, message, false, MUSTER_OVERLOADED, bound);
        return;
    }
    if (message->token.data != NULL) {
        authenticate(door, add(door, message));
        return;
    }
    refusal = pubsub_rule(message, NULL, door->operations, door->operation_count);
    if (refusal != PUBSUB_ACCEPTED) {
        pubsub_refuse(door, refusal);
        pubsub_message_free(&message);
        return;
    }
    submit(door, add(door, message), NULL);
}

void pubsub_authenticated(void *state, void *context, enum muster_status status,
                          struct muster_caller *caller, const char *sentence) {
    struct pubsub_door *door = state;
    struct pubsub_request *request = context;
    if (status != MUSTER_OK) {
        turn_down(door, take(door, request), false, status, sentence);
    } else {
        enum pubsub_refusal rule =
            pubsub_rule(request->message,
                        caller != NULL ? door->host->caller_principal(door->plugin, caller) : NULL,
                        door->operations, door->operation_count);
        if (rule == PUBSUB_ACCEPTED) {
            submit(door, request, caller);
        } else {
            struct pubsub_message *message = take(door, request);
            pubsub_message_free(&message);
            pubsub_refuse(door, rule);
        }
    }
    if (caller != NULL) {
        door->host->caller_release(door->plugin, &caller);
    }
    check_drained(door);
}

void pubsub_replied(void *state, void *context, const struct muster_result *result) {
    struct pubsub_door *door = state;
    struct pubsub_message *message = take(door, context);
    publish(door, message, result);
    pubsub_message_free(&message);
    check_drained(door);
}

void pubsub_abandon(struct pubsub_door *door) {
    while (door->requests != NULL) {
        bool allowed = door->requests->allowed;
        door->host->cancel(door->plugin, door->requests->id);
        turn_down(door, take(door, door->requests), allowed, MUSTER_TIMEOUT,
                  "the daemon ends and waits no longer; the outcome is unknown");
    }
}

void pubsub_forget_all(struct pubsub_door *door) {
    while (door->requests != NULL) {
        struct pubsub_message *message = take(door, door->requests);
        pubsub_message_free(&message);
    }
}
