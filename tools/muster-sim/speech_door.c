/* speech_door.c - through the RESP door of a daemon.
 *
 * The happy path: operations by their own names, a session by MEMBERS (all pages of it), the end of
 * our socket is what tells that we died. The mark: a connection enters a session of our own with
 * the number in its profile, and is unregistered again; its `member.joined` is what is heard.
 *
 * The ways to fail: the door's codes, as everywhere; the socket ends (the owner's next attempt goes
 * to the next address); the door says nothing for SILENT_MS. A daemon that only sleeps may still do
 * later what it was asked, so `on_silent` tells the owner, who takes a new incarnation: that is
 * what fences off the old calls.
 */
#include "speech_internal.h"

#include <ctype.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"

#define SILENT_MS MU_SPEECH_TIMEOUT_MS
#define WORDS_MAX 16

struct call {
    struct mu_speech *speech;
    uint64_t sent_us;
    mu_answer_cb callback;
    void *context;
};

static void begin(struct mu_speech *self) {
    snprintf(self->mark_channel, sizeof self->mark_channel, "session:sim.%.100s.%08" PRIx64,
             self->options.instance, mu_random_below(UINT64_C(1) << 32));
}

static const char *events(const struct mu_speech *self, char out[MU_KEY_SIZE], const char *name) {
    (void)self;
    snprintf(out, MU_KEY_SIZE, "%s", name);
    return out;
}

/* ---- calls ---- */

static void note_silence(struct mu_speech *self, uint64_t sent_us) {
    uint64_t connection = mu_link_connections(self->link);
    if (mu_clock_monotonic_us() - sent_us < SILENT_MS * UINT64_C(1000) ||
        self->silent_connection == connection)
        return;
    self->silent_connection = connection;
    self->options.on_silent(self->options.context);
}

static void on_reply(void *context, enum muster_status status, const redisReply *reply,
                     const struct mu_error *error) {
    struct call call = *(struct call *)context;
    struct mu_answer answer = {.status = status};
    free(context);
    if (status == MUSTER_OK)
        mu_answer_read(reply, &answer);
    else
        answer.message = error->text;
    if (status == MUSTER_TIMEOUT && !call.speech->closing)
        note_silence(call.speech, call.sent_us);
    call.callback(call.context, &answer);
}

static enum muster_status call(struct mu_speech *self, bool now, const char *operation,
                               size_t count, const char *const *arguments, mu_answer_cb callback,
                               void *context) {
    const char *words[WORDS_MAX];
    char name[32];
    size_t length = strlen(operation);
    if (count >= WORDS_MAX || length >= sizeof name)
        return MUSTER_BAD_REQUEST;
    for (size_t i = 0; i <= length; i++)
        name[i] = (char)toupper((unsigned char)operation[i]);
    words[0] = name;
    for (size_t i = 0; i < count; i++)
        words[i + 1] = arguments[i];
    struct call *call = mu_calloc(1, sizeof *call);
    *call = (struct call){self, mu_clock_monotonic_us(), callback, context};
    enum muster_status status = (now ? mu_link_command_now : mu_link_command)(
        self->link, count + 1, words, NULL, on_reply, call);
    if (status != MUSTER_OK)
        free(call);
    return status;
}

/* ---- snapshots ---- */

struct reading {
    struct mu_speech *speech;
    char session[MU_ID_SIZE];
    mu_snapshot_cb callback;
    void *context;
    json_t *pages; /* what the texts below point into */
    struct mu_snapshot snapshot;
    const char **own;
};

static void end_reading(struct reading *reading, enum muster_status status, const char *message) {
    reading->snapshot.own = reading->own;
    reading->callback(reading->context, status, message,
                      status == MUSTER_OK ? &reading->snapshot : NULL);
    json_decref(reading->pages);
    free(reading->own);
    free(reading);
}

static bool says(const json_t *object, const char *name, const char *text) {
    const char *value = json_string_value(json_object_get(object, name));
    return value && strcmp(value, text) == 0;
}

static void note_own(struct reading *reading, const json_t *members) {
    const struct mu_speech *speech = reading->speech;
    struct mu_snapshot *snapshot = &reading->snapshot;
    size_t size = snapshot->own_count + json_array_size(members) + 1;
    reading->own = mu_realloc(reading->own, size * sizeof *reading->own);
    for (size_t i = 0; i < json_array_size(members); i++) {
        const json_t *member = json_array_get(members, i);
        const char *connection = json_string_value(json_object_get(member, "connection"));
        if (connection && says(member, "instance", speech->options.instance) &&
            says(member, "incarnation", speech->incarnation))
            reading->own[snapshot->own_count++] = connection;
    }
}

static void on_members(void *context, const struct mu_answer *answer);

static enum muster_status read_page(struct reading *reading, const char *cursor) {
    const char *arguments[] = {reading->session, cursor};
    return call(reading->speech, false, "members", cursor ? 2 : 1, arguments, on_members, reading);
}

static void on_members(void *context, const struct mu_answer *answer) {
    struct reading *reading = context;
    if (answer->status != MUSTER_OK) {
        end_reading(reading, answer->status, answer->message);
        return;
    }
    json_t *page = json_loadb(answer->json, answer->length, 0, NULL);
    const char *cursor = json_string_value(json_object_get(page, "cursor"));
    if (!cursor) {
        json_decref(page);
        end_reading(reading, MUSTER_INTERNAL, "MEMBERS gave no page");
        return;
    }
    bool last = strcmp(cursor, "0") == 0;
    if (json_array_size(reading->pages) == 0) {
        mu_view_read_reply(page, &reading->snapshot.view);
        reading->snapshot.view.exists = reading->snapshot.view.seq > 0;
        reading->snapshot.gradual = !last;
    }
    json_array_append_new(reading->pages, page);
    note_own(reading, json_object_get(page, "members"));
    enum muster_status status = last ? MUSTER_OK : read_page(reading, cursor);
    if (last || status != MUSTER_OK)
        end_reading(reading, status, "no page can be asked for now");
}

static enum muster_status snapshot(struct mu_speech *self, const char *session,
                                   mu_snapshot_cb callback, void *context) {
    struct reading *reading = mu_calloc(1, sizeof *reading);
    reading->speech = self;
    snprintf(reading->session, sizeof reading->session, "%s", session);
    reading->callback = callback;
    reading->context = context;
    reading->pages = json_array();
    enum muster_status status = read_page(reading, NULL);
    if (status != MUSTER_OK) {
        json_decref(reading->pages);
        free(reading);
    }
    return status;
}

/* ---- who stands there ---- */

struct standing {
    mu_standing_cb callback;
    void *context;
};

static void on_instance(void *context, const struct mu_answer *answer) {
    struct standing *standing = context;
    if (answer->status == MUSTER_OK) {
        json_t *instance = json_loadb(answer->json, answer->length, 0, NULL);
        const char *incarnation = json_string_value(json_object_get(instance, "incarnation"));
        standing->callback(standing->context, incarnation ? MUSTER_OK : MUSTER_INTERNAL,
                           incarnation);
        json_decref(instance);
    } else {
        bool nobody = answer->status == MUSTER_UNKNOWN_INSTANCE;
        standing->callback(standing->context, nobody ? MUSTER_OK : answer->status, NULL);
    }
    free(standing);
}

static enum muster_status standing(struct mu_speech *self, mu_standing_cb callback, void *context) {
    struct standing *standing = mu_calloc(1, sizeof *standing);
    *standing = (struct standing){callback, context};
    enum muster_status status =
        call(self, false, "instance", 1, &self->options.instance, on_instance, standing);
    if (status != MUSTER_OK)
        free(standing);
    return status;
}

/* A channel for heartbeats is not there. */
static enum muster_status beat(struct mu_speech *self, mu_done_cb callback, void *context) {
    (void)self;
    (void)callback;
    (void)context;
    return MUSTER_BAD_REQUEST;
}

/* ---- the mark ---- */

struct marking {
    struct mu_speech *speech;
    bool joined;
    mu_done_cb callback;
    void *context;
};

static const char *mark_connection(const struct mu_speech *self, char out[MU_ID_SIZE]) {
    snprintf(out, MU_ID_SIZE, "%.100s.mark", self->options.instance);
    return out;
}

static void end_marking(struct marking *marking, bool done) {
    marking->callback(marking->context, done);
    free(marking);
}

static void on_unregistered(void *context, const struct mu_answer *answer) {
    struct marking *marking = context;
    end_marking(marking, marking->joined && answer->status == MUSTER_OK);
}

/* One that stands there since an earlier attempt joined without an event: it only goes. */
static void on_entered(void *context, const struct mu_answer *answer) {
    struct marking *marking = context;
    struct mu_speech *self = marking->speech;
    if (answer->status != MUSTER_OK) {
        end_marking(marking, false);
        return;
    }
    json_t *reply = json_loadb(answer->json, answer->length, 0, NULL);
    marking->joined = json_is_true(json_object_get(reply, "joined"));
    json_decref(reply);
    char connection[MU_ID_SIZE];
    const char *arguments[] = {mark_connection(self, connection), self->options.instance,
                               self->incarnation};
    if (call(self, true, "unregister", 3, arguments, on_unregistered, marking) != MUSTER_OK)
        end_marking(marking, false);
}

static enum muster_status mark(struct mu_speech *self, uint64_t number, mu_done_cb callback,
                               void *context) {
    char connection[MU_ID_SIZE], profile[40];
    snprintf(profile, sizeof profile, "{\"mark\":%" PRIu64 "}", number);
    const char *arguments[] = {self->mark_channel + strlen("session:"),
                               mark_connection(self, connection),
                               self->options.instance,
                               self->incarnation,
                               "",
                               profile};
    struct marking *marking = mu_calloc(1, sizeof *marking);
    *marking = (struct marking){self, false, callback, context};
    enum muster_status status = call(self, true, "enter", 6, arguments, on_entered, marking);
    if (status != MUSTER_OK)
        free(marking);
    return status;
}

static bool is_mark(const struct mu_speech *self, const char *payload, size_t length,
                    uint64_t number) {
    (void)self;
    json_t *event = json_loadb(payload, length, 0, NULL);
    const json_t *profile = json_object_get(json_object_get(event, "member"), "profile");
    bool is = says(event, "event", "member.joined") &&
              (uint64_t)json_integer_value(json_object_get(profile, "mark")) == number;
    json_decref(event);
    return is;
}

const struct mu_manner mu_manner_door = {
    .begin = begin,
    .events = events,
    .call = call,
    .snapshot = snapshot,
    .standing = standing,
    .beat = beat,
    .mark = mark,
    .is_mark = is_mark,
};
