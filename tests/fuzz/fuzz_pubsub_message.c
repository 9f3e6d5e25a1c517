/* Messages of the channel `request`, as the pub/sub door reads them: what is accepted has its texts
 * within bounds, and its objects byte for byte as a JSON parser understands them. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "transport_pubsub/message.h"

#define PREFIX "{t}:inbox:"

/* Asserts are off in nobody's build, but a fuzz target does not depend on that. */
static void demand(int fine) {
    if (!fine)
        abort();
}

static void check_argument(const struct muster_text *text, const json_t *wanted) {
    demand(text->data[text->length] == '\0');
    if (json_is_string(wanted)) {
        demand(text->length == json_string_length(wanted));
        demand(memcmp(text->data, json_string_value(wanted), text->length) == 0);
    } else if (json_is_object(wanted)) {
        json_t *read =
            json_loadb(text->data, text->length,
                       JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL, NULL);
        demand(read != NULL && json_equal(read, wanted));
        json_decref(read);
    }
}

static void check(const struct pubsub_message *message, const char *payload, size_t size) {
    json_t *root = json_loadb(
        payload, size, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL, NULL);
    demand(json_is_object(root));
    demand(pubsub_id_valid(message->inbox, strlen(message->inbox)));
    demand(strlen(message->sentence) < sizeof message->sentence);
    demand((message->fault == MUSTER_OK) == (message->sentence[0] == '\0'));
    json_t *id = json_loads(message->id, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    demand(id != NULL);
    const json_t *arguments = json_object_get(root, "args");
    for (size_t i = 0; i < message->count; i++)
        check_argument(&message->arguments[i], json_array_get(arguments, i));
    if (message->fault == MUSTER_OK) {
        demand(json_equal(id, json_object_get(root, "id")));
        demand(message->count == json_array_size(arguments));
        demand(strcmp(message->operation.data, json_string_value(json_object_get(root, "op"))) ==
               0);
    }
    json_decref(id);
    json_decref(root);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *payload = (const char *)data;
    struct pubsub_message *message = NULL;
    /* NUL-terminated, as the host hands it over. */
    char *copy = malloc(size + 1);
    demand(copy != NULL);
    if (size > 0)
        memcpy(copy, payload, size);
    copy[size] = '\0';
    enum pubsub_refusal got = pubsub_message_read(copy, size, PREFIX, &message);
    demand((got == PUBSUB_ACCEPTED) == (message != NULL));
    if (message != NULL) {
        check(message, copy, size);
        const char *token = message->token.data;
        size_t length = message->token.length;
        pubsub_message_forget_token(message);
        for (size_t i = 0; i < length; i++)
            demand(token[i] == '\0');
        pubsub_message_free(&message);
    }
    free(copy);
    return 0;
}
