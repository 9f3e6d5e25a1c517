#include "coordinator/reply.h"

#include <string.h>

#include "base/ids.h"

json_t *mu_reply_parse(const char *text, size_t length) {
    json_t *object = json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(object)) {
        json_decref(object);
        return NULL;
    }
    return object;
}

json_t *mu_reply_object(const struct mu_answer *answer) {
    return answer->status == MUSTER_OK ? mu_reply_parse(answer->json, answer->length) : NULL;
}

uint64_t mu_reply_number(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    json_int_t number = json_integer_value(value);
    return number > 0 ? (uint64_t)number : 0;
}

bool mu_reply_true(const json_t *object, const char *key) {
    return json_is_true(json_object_get(object, key));
}

const char *mu_reply_text(const json_t *object, const char *key) {
    return json_string_value(json_object_get(object, key));
}

const char *mu_reply_id(const json_t *object, const char *key) {
    const char *text = mu_reply_text(object, key);
    return text != NULL && mu_id_valid(text, strlen(text)) ? text : NULL;
}

void mu_reply_undecided(const json_t *object,
                        void (*each)(void *context, const char *session, uint64_t rank),
                        void *context) {
    size_t index = 0;
    json_t *pair = NULL;
    json_array_foreach(json_object_get(object, "undecided"), index, pair) {
        const char *session = json_string_value(json_array_get(pair, 0));
        json_int_t rank = json_integer_value(json_array_get(pair, 1));
        if (session != NULL && rank >= 0) {
            each(context, session, (uint64_t)rank);
        }
    }
}
