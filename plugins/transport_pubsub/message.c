#include "message.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "muster/plugin.h"
#include "raw.h"

/* What the reading of one message shares. */
struct reader {
    struct pubsub_message *message;
    const char *prefix;
    char *pool; /* where the next text goes */
    bool has_id, has_operation, has_arguments, has_reply_to;
};

bool pubsub_id_valid(const char *text, size_t length) {
    static const char signs[] = "._~@|+=-";
    if (length < 1 || length > PUBSUB_ID_MAX) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        char byte = text[i];
        bool fine = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
                    (byte >= '0' && byte <= '9') || memchr(signs, byte, sizeof signs - 1) != NULL;
        if (!fine) {
            return false;
        }
    }
    return true;
}

/* The first fault is the one that is told. */
static void fault(struct pubsub_message *message, enum muster_status status, const char *format,
                  ...) MUSTER_PRINTF(3, 4);

static void fault(struct pubsub_message *message, enum muster_status status, const char *format,
                  ...) {
    va_list arguments;
    va_start(arguments, format);
    if (message->fault == MUSTER_OK) {
        message->fault = status;
        /* The analyzer loses va_start() when it inlines a variadic function. */
        /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized) */
        vsnprintf(message->sentence, sizeof message->sentence, format, arguments);
    }
    va_end(arguments);
}

/* The pool has room for the whole message and a NUL for each text, so it never ends. */
static struct muster_text store(struct reader *reader, const char *data, size_t length) {
    struct muster_text text = {reader->pool, length};
    memcpy(reader->pool, data, length);
    reader->pool[length] = '\0';
    reader->pool += length + 1;
    return text;
}

static bool plain_text(const json_t *value, size_t least, size_t most) {
    size_t length = json_string_length(value);
    return json_is_string(value) && length >= least && length <= most &&
           memchr(json_string_value(value), '\0', length) == NULL;
}

/* ---- the fields ---- */

static void read_id(struct reader *reader, const json_t *value, struct muster_text raw) {
    if (!plain_text(value, 1, PUBSUB_ID_MAX)) {
        fault(reader->message, MUSTER_BAD_REQUEST, "id is not a text of 1 to %d bytes",
              PUBSUB_ID_MAX);
        return;
    }
    reader->has_id = true;
    reader->message->id = store(reader, raw.data, raw.length).data;
}

static void read_operation(struct reader *reader, const json_t *value, struct muster_text raw) {
    (void)raw;
    if (!plain_text(value, 1, PUBSUB_ID_MAX)) {
        fault(reader->message, MUSTER_BAD_REQUEST, "op is not the name of an operation");
        return;
    }
    reader->has_operation = true;
    reader->message->operation = store(reader, json_string_value(value), json_string_length(value));
}

static void read_arguments(struct reader *reader, const json_t *value, struct muster_text raw) {
    struct pubsub_message *message = reader->message;
    if (!json_is_array(value)) {
        fault(message, MUSTER_BAD_REQUEST, "args is not a list");
        return;
    }
    reader->has_arguments = true;
    size_t count = json_array_size(value);
    if (count > MUSTER_ARGUMENTS_MAX) {
        fault(message, MUSTER_BAD_REQUEST, "%zu arguments; at most %d", count,
              MUSTER_ARGUMENTS_MAX);
        return;
    }
    const char *at = pubsub_raw_enter(raw.data);
    for (size_t i = 0; i < count; i++) {
        const json_t *argument = json_array_get(value, i);
        size_t depth = 0;
        struct muster_text text = pubsub_raw_next(&at, false, &depth);
        if (json_is_string(argument)) {
            text = (struct muster_text){json_string_value(argument), json_string_length(argument)};
        } else if (!json_is_object(argument)) {
            fault(message, MUSTER_BAD_REQUEST, "argument %zu is neither a text nor an object",
                  i + 1);
        } else if (depth > PUBSUB_DEPTH_MAX) {
            fault(message, MUSTER_BAD_JSON, "argument %zu is nested more than %d deep", i + 1,
                  PUBSUB_DEPTH_MAX);
        }
        message->arguments[i] = store(reader, text.data, text.length);
    }
    message->count = count;
}

static void read_reply_to(struct reader *reader, const json_t *value, struct muster_text raw) {
    size_t skip = strlen(reader->prefix);
    const char *text = json_string_value(value);
    size_t length = json_string_length(value);
    (void)raw;
    if (text == NULL || length <= skip || memcmp(text, reader->prefix, skip) != 0 ||
        !pubsub_id_valid(text + skip, length - skip)) {
        return;
    }
    reader->has_reply_to = true;
    memcpy(reader->message->inbox, text + skip, length - skip);
}

static void read_token(struct reader *reader, const json_t *value, struct muster_text raw) {
    (void)raw;
    if (!plain_text(value, 1, PUBSUB_TOKEN_MAX)) {
        fault(reader->message, MUSTER_BAD_REQUEST, "token is not a text of 1 to %d bytes",
              PUBSUB_TOKEN_MAX);
        return;
    }
    reader->message->token = store(reader, json_string_value(value), json_string_length(value));
}

static void read_instance(struct reader *reader, const json_t *value, struct muster_text raw) {
    (void)raw;
    if (!json_is_string(value) ||
        !pubsub_id_valid(json_string_value(value), json_string_length(value))) {
        fault(reader->message, MUSTER_BAD_ID, "instance is not the id of an instance");
        return;
    }
    memcpy(reader->message->instance, json_string_value(value), json_string_length(value));
}

static void read_timeout(struct reader *reader, const json_t *value, struct muster_text raw) {
    uint64_t number = 0;
    (void)value;
    for (size_t i = 0; i < raw.length; i++) {
        if (raw.data[i] < '0' || raw.data[i] > '9' || raw.length > 12) {
            number = 0;
            break;
        }
        number = number * 10 + (uint64_t)(raw.data[i] - '0');
    }
    if (number == 0) {
        fault(reader->message, MUSTER_BAD_REQUEST,
              "timeout_ms is not a whole number of milliseconds");
    }
    reader->message->timeout_ms = number;
}

static void read_field(struct reader *reader, const char *name, const json_t *value,
                       struct muster_text raw) {
    static const struct {
        const char *name;
        void (*read)(struct reader *reader, const json_t *value, struct muster_text raw);
    } fields[] = {
        {"id", read_id},
        {"op", read_operation},
        {"args", read_arguments},
        {"token", read_token},
        {"reply_to", read_reply_to},
        {"instance", read_instance},
        {"timeout_ms", read_timeout},
    };
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        if (strcmp(fields[i].name, name) == 0) {
            fields[i].read(reader, value, raw);
            return;
        }
    }
    fault(reader->message, MUSTER_BAD_REQUEST, "there is no such field in a request");
}

/* ---- the message ---- */

static struct pubsub_message *allocate(const json_t *root, size_t length, char **pool) {
    size_t count = json_array_size(json_object_get(root, "args"));
    count = count < MUSTER_ARGUMENTS_MAX ? count : MUSTER_ARGUMENTS_MAX;
    /* Decoded texts are no longer than they were in the message; 8: NULs of id, op and token. */
    size_t texts = length + count + 8;
    size_t size = sizeof(struct pubsub_message) + count * sizeof(struct muster_text) + texts;
    struct pubsub_message *message = calloc(1, size);
    if (message == NULL) {
        abort(); /* bounded by max_pending_bytes: the machine is at its end */
    }
    message->size = size;
    message->id = "null";
    message->arguments = (struct muster_text *)(void *)(message + 1);
    *pool = (char *)(message->arguments + count);
    return message;
}

/* jansson frees what it decoded as it is; a token must not lie about in free memory. */
static void wipe(const json_t *text) {
    const char *value = json_string_value(text);
    if (value != NULL) {
        explicit_bzero((char *)(uintptr_t)value, json_string_length(text));
    }
}

enum pubsub_refusal pubsub_message_read(const char *payload, size_t length, const char *prefix,
                                        struct pubsub_message **out) {
    struct reader reader = {.prefix = prefix};
    const char *name = NULL;
    json_t *value = NULL;
    *out = NULL;
    /* jansson passes over a NUL byte behind a number, where raw.c would take it for the end. */
    if (memchr(payload, '\0', length) != NULL) {
        return PUBSUB_NOT_JSON;
    }
    /* As real numbers, whole ones of any length are valid; nobody looks at them. */
    json_t *root = json_loadb(
        payload, length, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL, NULL);
    if (!json_is_object(root)) {
        json_decref(root);
        return PUBSUB_NOT_JSON;
    }
    struct pubsub_message *message = allocate(root, length, &reader.pool);
    reader.message = message;
    const char *at = pubsub_raw_enter(payload);
    json_object_foreach(root, name, value) { /* in the order of the text */
        struct muster_text raw = pubsub_raw_next(&at, true, NULL);
        read_field(&reader, name, value, raw);
    }
    if (!reader.has_id || !reader.has_operation || !reader.has_arguments) {
        fault(message, MUSTER_BAD_REQUEST, "a request has id, op and args");
    }
    wipe(json_object_get(root, "token"));
    json_decref(root);
    if (!reader.has_reply_to) {
        pubsub_message_free(&message);
        return PUBSUB_NO_REPLY_TO;
    }
    *out = message;
    return PUBSUB_ACCEPTED;
}

void pubsub_message_forget_token(struct pubsub_message *message) {
    if (message->token.data != NULL) {
        explicit_bzero((char *)(uintptr_t)message->token.data, message->token.length);
        message->token = (struct muster_text){0};
    }
}

void pubsub_message_free(struct pubsub_message **message) {
    if (*message != NULL) {
        pubsub_message_forget_token(*message);
        free(*message);
        *message = NULL;
    }
}
