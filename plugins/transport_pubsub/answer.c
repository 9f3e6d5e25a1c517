#include "answer.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "muster/status.h"

static const char *code_of(enum muster_status status) {
    static const char *const codes[] = {"OK",
#define CODE(name, retry, meaning) #name,
                                        MUSTER_STATUS_TABLE(CODE)
#undef CODE
    };
    return (size_t)status < MUSTER_STATUS_COUNT ? codes[status] : "INTERNAL";
}

struct muster_result pubsub_error(enum muster_status status, const char *sentence) {
    static const bool retries[] = {false,
#define RETRY(name, retry, meaning) retry,
                                   MUSTER_STATUS_TABLE(RETRY)
#undef RETRY
    };
    return (struct muster_result){
        .status = status,
        .message = sentence,
        .retry = (size_t)status < MUSTER_STATUS_COUNT && retries[status],
    };
}

/* The object of an error; the caller frees it. */
static char *error_text(const struct muster_result *result) {
    /* NULL when it is not UTF-8, as a sentence that was cut in the middle of a character. */
    json_t *message = json_string(result->message != NULL ? result->message : "");
    json_t *error = json_pack("{s:s, s:o, s:b}", "code", code_of(result->status), "message",
                              message != NULL ? message : json_string("(not printable)"), "retry",
                              result->retry);
    char *text = json_dumps(error, JSON_COMPACT);
    json_decref(error);
    return text;
}

char *pubsub_answer(const char *id, const struct muster_result *result, size_t *length) {
    bool fine = result->status == MUSTER_OK;
    char *error = fine ? NULL : error_text(result);
    const char *body = fine ? result->json : error;
    size_t size = fine ? result->length : body != NULL ? strlen(body) : 0;
    size_t room = strlen(id) + size + sizeof "{\"id\":,\"error\":}";
    char *text = malloc(room);
    if (text == NULL || body == NULL) {
        abort(); /* max_answer bounds it: the machine is at its end */
    }
    int head = snprintf(text, room, "{\"id\":%s,\"%s\":", id, fine ? "ok" : "error");
    memcpy(text + head, body, size); /* NOLINT(bugprone-not-null-terminated-result): below */
    *length = (size_t)head + size + 1;
    text[*length - 1] = '}';
    text[*length] = '\0';
    free(error);
    return text;
}
