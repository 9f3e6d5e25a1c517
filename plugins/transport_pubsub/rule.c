#include "rule.h"

#include <string.h>
#include <strings.h>

/* The instance argument of an operation that writes: a read names another's as often as its own. */
static const struct muster_text *instance_argument(const struct pubsub_message *message,
                                                   const struct muster_operation_info *operations,
                                                   size_t count) {
    for (size_t i = 0; message->operation.data != NULL && i < count; i++) {
        if (strcasecmp(operations[i].name, message->operation.data) == 0) {
            const char *letter = strchr(operations[i].arguments, 'i');
            size_t index = letter != NULL ? (size_t)(letter - operations[i].arguments) : SIZE_MAX;
            return operations[i].writes && index < message->count ? &message->arguments[index]
                                                                  : NULL;
        }
    }
    return NULL;
}

static bool equals(const struct muster_text *text, const char *id) {
    return strlen(id) == text->length && memcmp(text->data, id, text->length) == 0;
}

enum pubsub_refusal pubsub_rule(const struct pubsub_message *message,
                                const struct muster_principal *principal,
                                const struct muster_operation_info *operations, size_t count) {
    const char *field = message->instance[0] != '\0' ? message->instance : NULL;
    if (principal != NULL && principal->kind != MUSTER_PRINCIPAL_ANONYMOUS) {
        if (principal->instance != NULL) {
            return strcmp(principal->instance, message->inbox) == 0 ? PUBSUB_ACCEPTED
                                                                    : PUBSUB_FOREIGN_REPLY_TO;
        }
        if (principal->kind == MUSTER_PRINCIPAL_OPERATOR) {
            return PUBSUB_ACCEPTED;
        }
    }
    const struct muster_text *argument = instance_argument(message, operations, count);
    if (field == NULL && argument == NULL) {
        return PUBSUB_NO_INSTANCE;
    }
    if ((field != NULL && strcmp(field, message->inbox) != 0) ||
        (argument != NULL && !equals(argument, message->inbox))) {
        return PUBSUB_FOREIGN_REPLY_TO;
    }
    return PUBSUB_ACCEPTED;
}
