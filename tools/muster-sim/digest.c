#include "digest.h"

#include <stdlib.h>
#include <string.h>

static const char *text_of(const json_t *object, const char *name) {
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

static uint64_t number_of(const json_t *object, const char *name) {
    json_int_t number = json_integer_value(json_object_get(object, name));
    return number > 0 ? (uint64_t)number : 0;
}

static enum mu_event_kind kind_of(const char *name) {
#define MU_EVENT_MATCH(constant, text)                                                             \
    if (strcmp(name, text) == 0)                                                                   \
        return MU_EVENT_##constant;
    MU_EVENT_TABLE(MU_EVENT_MATCH)
#undef MU_EVENT_MATCH
    return MU_EVENT_OTHER;
}

bool mu_event_read(const char *text, size_t length, struct mu_event *event) {
    json_t *root = json_loadb(text, length, 0, NULL);
    if (!json_is_object(root)) {
        json_decref(root);
        return false;
    }
    const json_t *member = json_object_get(root, "member");
    const json_t *subject = json_is_object(member) ? member : root;
    *event = (struct mu_event){
        .name = text_of(root, "event"),
        .session = text_of(root, "session"),
        .gen = text_of(root, "gen"),
        .connection = text_of(subject, "connection"),
        .instance = text_of(subject, "instance"),
        .incarnation = text_of(subject, "incarnation"),
        .reason = text_of(root, "reason"),
        .leader = text_of(root, "leader"),
        .previous = text_of(root, "previous"),
        .generation = text_of(root, "generation"),
        .seq = number_of(root, "seq"),
        .term = number_of(root, "term"),
        .count = number_of(root, "count"),
        .closed = json_is_true(json_object_get(root, "closed")),
        .root = root,
    };
    event->kind = kind_of(event->name);
    return true;
}

void mu_event_release(struct mu_event *event) {
    json_decref(event->root);
    event->root = NULL;
}

static uint64_t number_in(const redisReply *reply) {
    return strtoull(reply->str, NULL, 10);
}

bool mu_view_read_hash(const redisReply *reply, struct mu_view *view) {
    if (!reply || reply->type != REDIS_REPLY_ARRAY || reply->elements % 2)
        return false;
    *view = (struct mu_view){.exists = reply->elements > 0, .gen = "", .leader = ""};
    for (size_t i = 0; i < reply->elements; i += 2) {
        const redisReply *field = reply->element[i];
        const redisReply *value = reply->element[i + 1];
        if (field->type != REDIS_REPLY_STRING || value->type != REDIS_REPLY_STRING)
            return false;
        if (field->str[0] != '#')
            continue;
        if (strcmp(field->str, "#seq") == 0)
            view->seq = number_in(value);
        else if (strcmp(field->str, "#term") == 0)
            view->term = number_in(value);
        else if (strcmp(field->str, "#count") == 0)
            view->count = number_in(value);
        else if (strcmp(field->str, "#leader") == 0)
            view->leader = value->str;
        else if (strcmp(field->str, "#gen") == 0)
            view->gen = value->str;
    }
    return true;
}

void mu_view_read_reply(const json_t *reply, struct mu_view *view) {
    *view = (struct mu_view){
        .gen = text_of(reply, "gen"),
        .leader = text_of(reply, "leader"),
        .seq = number_of(reply, "seq"),
        .term = number_of(reply, "term"),
        .count = number_of(reply, "count"),
    };
    view->exists = view->count > 0;
}
