#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "line.h"

#define ID_MAX 128

void *line_need(void *memory) {
    if (memory == NULL) {
        abort();
    }
    return memory;
}

/* ---- requests ---- */

static enum muster_status wrong(struct muster_complaint *complaint, enum muster_status status,
                                const char *sentence) {
    snprintf(complaint->text, sizeof complaint->text, "%s", sentence);
    return status;
}

static enum muster_status read_arguments(struct line_message *message, const json_t *list,
                                         struct muster_complaint *complaint) {
    size_t count = json_array_size(list);
    if (list != NULL && !json_is_array(list)) {
        return wrong(complaint, MUSTER_BAD_REQUEST, "args is not a list");
    }
    if (count > MUSTER_ARGUMENTS_MAX) {
        return wrong(complaint, MUSTER_BAD_REQUEST, "there are too many arguments");
    }
    message->arguments = line_need(calloc(count + 1, sizeof *message->arguments));
    message->count = count;
    for (size_t i = 0; i < count; i++) {
        const json_t *argument = json_array_get(list, i);
        if (!json_is_string(argument)) {
            return wrong(
                complaint, MUSTER_BAD_REQUEST,
                "an argument is not a text; options and profiles are texts that hold JSON");
        }
        message->arguments[i] =
            (struct muster_text){json_string_value(argument), json_string_length(argument)};
    }
    return MUSTER_OK;
}

enum muster_status line_message_read(struct line_message *message, const char *line, size_t length,
                                     struct muster_complaint *complaint) {
    json_error_t fault;
    json_t *arguments = NULL;
    const char *read_before = NULL; /* the id: for JSON_STRICT every field must be named */
    json_int_t timeout_ms = 0;
    *message = (struct line_message){.id = line_need(strdup("null"))};
    message->root = json_loadb(line, length, JSON_REJECT_DUPLICATES, &fault);
    if (!json_is_object(message->root)) {
        return wrong(complaint, MUSTER_BAD_JSON, "the line is not one strict JSON object");
    }
    const json_t *id = json_object_get(message->root, "id");
    if (!json_is_string(id) || json_string_length(id) < 1 || json_string_length(id) > ID_MAX) {
        return wrong(complaint, MUSTER_BAD_REQUEST, "id is not a text of 1 to 128 bytes");
    }
    free(message->id);
    message->id = line_need(json_dumps(id, JSON_ENCODE_ANY));
    if (json_unpack_ex(message->root, &fault, JSON_STRICT, "{s:s, s:s, s?o, s?s, s?I}", "id",
                       &read_before, "op", &message->operation, "args", &arguments, "token",
                       &message->token, "timeout_ms", &timeout_ms) != 0) {
        snprintf(complaint->text, sizeof complaint->text, "not a request: %s", fault.text);
        return MUSTER_BAD_REQUEST;
    }
    if (timeout_ms < 0) {
        return wrong(complaint, MUSTER_BAD_REQUEST, "timeout_ms is negative");
    }
    message->timeout_ms = (uint64_t)timeout_ms;
    return read_arguments(message, arguments, complaint);
}

void line_message_forget(struct line_message *message) {
    if (message->token != NULL) {
        explicit_bzero((char *)(uintptr_t)message->token, strlen(message->token));
        message->token = NULL;
    }
    free(message->arguments);
    message->arguments = NULL;
    json_decref(message->root);
    message->root = NULL;
}

void line_message_free(struct line_message *message) {
    line_message_forget(message);
    free(message->id);
    message->id = NULL;
}

/* ---- answers ---- */

/* The functions of status.h live in the daemon. A plugin has the table. */
static const struct {
    const char *code;
    bool retry;
} statuses[] = {{"OK", false},
#define ROW(name, retry, meaning) {#name, retry},
                MUSTER_STATUS_TABLE(ROW)
#undef ROW
};

struct muster_result line_error(enum muster_status status, const char *sentence) {
    return (struct muster_result){
        .status = status, .message = sentence, .retry = statuses[status].retry};
}

static char *error_text(const struct muster_result *result) {
    /* NULL when it is not UTF-8. */
    json_t *message = json_string(result->message != NULL ? result->message : "");
    json_t *error = json_pack("{s:s, s:o, s:b}", "code", statuses[result->status].code, "message",
                              message != NULL ? message : json_string("(not printable)"), "retry",
                              result->retry);
    char *text = line_need(json_dumps(error, JSON_COMPACT));
    json_decref(error);
    return text;
}

char *line_answer(const char *id, const struct muster_result *result, size_t *length) {
    bool fine = result->status == MUSTER_OK;
    char *error = fine ? NULL : error_text(result);
    const char *body = fine ? result->json : error;
    size_t size = fine ? result->length : strlen(error);
    size_t room = strlen(id) + size + sizeof "{'id':,'error':}\n";
    char *text = line_need(malloc(room));
    size_t head = (size_t)snprintf(text, room, "{\"id\":%s,\"%s\":", id, fine ? "ok" : "error");
    memcpy(text + head, body, size);
    text[head + size] = '}';
    text[head + size + 1] = '\n';
    /* A profile comes back byte for byte, and may hold a line's end. In JSON it can only stand
     * between two values, where a space means the same. */
    for (size_t i = head; i < head + size; i++) {
        if (text[i] == '\n') {
            text[i] = ' ';
        }
    }
    *length = head + size + 2;
    free(error);
    return text;
}
