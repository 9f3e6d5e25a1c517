#include "lib/events.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/test.h"

#define MARK_CHANNEL MT_NS "events:test-mark"

struct collected {
    char *channel; /* without the namespace */
    json_t *payload;
};

struct mt_events {
    struct mt_redis *subscriber;
    struct mt_redis *publisher;
    struct collected *list;
    size_t count;
    size_t room;
    size_t expected; /* what mt_expect_events() has seen */
    long long mark;
};

struct mt_events *mt_events_open(const struct mt_redis *redis, bool all) {
    struct mt_events *events = calloc(1, sizeof *events);
    if (events == NULL)
        abort();
    events->subscriber = mt_redis_again(redis);
    events->publisher = mt_redis_again(redis);
    mt_command(events->subscriber, "PSUBSCRIBE %s", all ? MT_NS "*" : MT_NS "events:*");
    mt_redis_forget(events->subscriber);
    return events;
}

static void forget(struct mt_events *events) {
    for (size_t i = 0; i < events->count; i++) {
        free(events->list[i].channel);
        json_decref(events->list[i].payload);
    }
    events->count = 0;
    events->expected = 0;
}

void mt_events_close(struct mt_events **pointer) {
    struct mt_events *events = *pointer;
    if (events == NULL)
        return;
    *pointer = NULL;
    forget(events);
    free(events->list);
    mt_redis_close(&events->subscriber);
    mt_redis_close(&events->publisher);
    free(events);
}

static void check_channel(struct mt_events *events, const char *channel, const json_t *payload) {
    char wanted[300] = "events:coordinator";
    const char *event = json_string_value(json_object_get(payload, "event"));
    const char *session = json_string_value(json_object_get(payload, "session"));
    if (strncmp(channel, "events:", 7) != 0)
        return;
    if (event == NULL)
        mt_fail(mt_redis_world(events->publisher), "an event without a name on %s", channel);
    if (session != NULL)
        snprintf(wanted, sizeof wanted, "events:session:%s", session);
    else if (strncmp(event, "instance.", 9) == 0)
        snprintf(wanted, sizeof wanted, "events:instances");
    if (strcmp(channel, wanted) != 0)
        mt_fail(mt_redis_world(events->publisher), "%s on channel %s", event, channel);
}

static void collect(struct mt_events *events, const redisReply *channel, const redisReply *text) {
    json_error_t error;
    json_t *payload = json_loadb(text->str, (size_t)text->len,
                                 JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    if (payload == NULL)
        mt_fail(mt_redis_world(events->publisher), "on %s: no JSON (%s): %s", channel->str,
                error.text, text->str);
    const char *name = channel->str + strlen(MT_NS);
    check_channel(events, name, payload);
    if (events->count == events->room) {
        events->room = events->room == 0 ? 256 : events->room * 2;
        events->list = realloc(events->list, events->room * sizeof *events->list);
        if (events->list == NULL)
            abort();
    }
    events->list[events->count++] = (struct collected){strdup(name), payload};
}

size_t mt_events_sync(struct mt_events *events) {
    char mark[32];
    bool seen = false;
    snprintf(mark, sizeof mark, "%lld", ++events->mark);
    mt_command(events->publisher, "PUBLISH %s %s", MARK_CHANNEL, mark);
    mt_redis_forget(events->publisher);
    while (!seen) {
        redisReply *reply = NULL;
        if (redisGetReply(mt_redis_context(events->subscriber), (void **)&reply) != REDIS_OK)
            mt_fail(mt_redis_world(events->publisher), "the subscriber's connection broke");
        if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 4) {
            if (strcmp(reply->element[2]->str, MARK_CHANNEL) == 0)
                seen = strcmp(reply->element[3]->str, mark) == 0;
            else
                collect(events, reply->element[2], reply->element[3]);
        }
        freeReplyObject(reply);
    }
    return events->count;
}

const json_t *mt_events_at(const struct mt_events *events, size_t index) {
    return index < events->count ? events->list[index].payload : NULL;
}

const char *mt_events_channel(const struct mt_events *events, size_t index) {
    return index < events->count ? events->list[index].channel : NULL;
}

void mt_events_skip(struct mt_events *events) {
    mt_events_sync(events);
    forget(events);
}

static void print_new(const struct mt_events *events) {
    for (size_t i = events->expected; i < events->count; i++) {
        char *text = json_dumps(events->list[i].payload, JSON_COMPACT | JSON_ENCODE_ANY);
        print_error("  published %s %s\n", events->list[i].channel, text);
        free(text);
    }
}

void mt_expect_events_at(struct mt_events *events, const char *file, int line,
                         const char *const patterns[]) {
    mt_events_sync(events);
    size_t wanted = 0;
    while (patterns[wanted] != NULL)
        wanted++;
    if (events->count - events->expected != wanted) {
        print_new(events);
        print_error("%zu events, wanted %zu\n", events->count - events->expected, wanted);
        _fail(file, line);
    }
    for (size_t i = 0; i < wanted; i++) {
        char where[400] = "";
        json_t *pattern = mt_json_pattern("%s", patterns[i]);
        bool fine = mt_json_matches(events->list[events->expected + i].payload, pattern, where,
                                    sizeof where);
        json_decref(pattern);
        if (!fine) {
            print_new(events);
            print_error("event %zu: %s\n  wanted %s\n", i, where, patterns[i]);
            _fail(file, line);
        }
    }
    events->expected = events->count;
}

size_t mt_events_count(const struct mt_events *events, size_t from, const char *event,
                       const char *field, const char *value) {
    size_t found = 0;
    for (size_t i = from; i < events->count; i++) {
        const json_t *payload = events->list[i].payload;
        const char *name = json_string_value(json_object_get(payload, "event"));
        if (name == NULL || (event != NULL && strcmp(name, event) != 0))
            continue;
        if (field != NULL) {
            const char *text = json_string_value(json_object_get(payload, field));
            if (text == NULL || (value != NULL && strcmp(text, value) != 0))
                continue;
        }
        found++;
    }
    return found;
}
