#include "event_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "table.h"

#define RED "\033[31m"
#define GREEN "\033[32m"
#define YELLOW "\033[1;33m"
#define MAGENTA "\033[35m"
#define PLAIN "\033[0m"

char *mu_clock_text(char out[MU_CLOCK_SIZE], int64_t at) {
    time_t seconds = (time_t)(at / 1000);
    struct tm tm;
    memset(&tm, 0, sizeof tm);
    localtime_r(&seconds, &tm);
    snprintf(out, MU_CLOCK_SIZE, "%02u:%02u:%02u.%03u", (unsigned)tm.tm_hour % 24,
             (unsigned)tm.tm_min % 60, (unsigned)tm.tm_sec % 61, (unsigned)(at % 1000));
    return out;
}

static const char *colour_of(const char *event) {
    static const struct {
        const char *event;
        const char *colour;
    } colours[] = {
        {"member.joined", GREEN},
        {"member.left", RED},
        {"leader.changed", YELLOW},
        {"instance.started", GREEN},
        {"instance.up", GREEN},
        {"instance.suspect", RED},
        {"instance.dead", RED},
        {"instance.stopped", RED},
        {"coordinator.elected", MAGENTA},
        {"generation.changed", MAGENTA},
        {"coordinator.released", MAGENTA},
    };
    for (size_t i = 0; i < sizeof colours / sizeof colours[0]; i++) {
        if (strcmp(colours[i].event, event) == 0) {
            return colours[i].colour;
        }
    }
    return "";
}

static const char *text(const json_t *event, const char *name) {
    const char *value = json_string_value(json_object_get(event, name));
    return value != NULL ? value : "";
}

static void put(struct mu_buffer *out, const char *before, const char *value, const char *after) {
    if (value[0] != '\0') {
        mu_must(mu_buffer_append_text(out, before));
        mu_append_safe(out, value, strlen(value));
        mu_must(mu_buffer_append_text(out, after));
    }
}

static void put_number(struct mu_buffer *out, const json_t *event, const char *name,
                       const char *label) {
    const json_t *number = json_object_get(event, name);
    if (json_is_integer(number)) {
        mu_must(mu_buffer_printf(out, "  %s %" PRId64, label, (int64_t)json_integer_value(number)));
    }
}

static void session_event(struct mu_buffer *out, const json_t *event, const char *kind) {
    const json_t *member = json_object_get(event, "member");
    const json_t *who = member != NULL ? member : event;
    if (strcmp(kind, "leader.changed") == 0) {
        const char *leader = text(event, "leader");
        put(out, "", leader[0] != '\0' ? leader : "nobody", "");
        put(out, " after ", text(event, "previous"), "");
    } else {
        put(out, "", text(who, "connection"), "");
        put(out, " on ", text(who, "instance"), "");
        put(out, " user ", text(who, "user"), "");
    }
    put(out, "  (", text(event, "reason"), ")");
    put_number(out, event, "count", "count");
    put_number(out, event, "seq", "seq");
    put_number(out, event, "term", "term");
    if (json_is_true(json_object_get(event, "closed"))) {
        mu_must(mu_buffer_append_text(out, "  closed"));
    }
}

static void other_event(struct mu_buffer *out, const json_t *event) {
    put(out, "incarnation ", text(event, "incarnation"), "");
    put(out, "", text(event, "generation"), "");
    put(out, "  (", text(event, "reason"), ")");
    put_number(out, event, "connections", "connections");
    put_number(out, event, "epoch", "epoch");
}

void mu_event_text(struct mu_buffer *out, const json_t *event, bool colour) {
    char clock[MU_CLOCK_SIZE];
    const char *kind = text(event, "event");
    const char *session = text(event, "session");
    const char *subject = session[0] != '\0'                   ? session
                          : text(event, "instance")[0] != '\0' ? text(event, "instance")
                          : text(event, "id")[0] != '\0'       ? text(event, "id")
                                                               : "-";
    const char *paint = colour ? colour_of(kind) : "";
    mu_must(mu_buffer_printf(
        out, "%s  ", mu_clock_text(clock, json_integer_value(json_object_get(event, "at")))));
    mu_must(mu_buffer_append_text(out, paint));
    mu_append_safe(out, kind, strlen(kind));
    if (paint[0] != '\0') {
        mu_must(mu_buffer_append_text(out, PLAIN));
    }
    mu_must(mu_buffer_printf(out, "%*s  ", strlen(kind) < 20 ? (int)(20 - strlen(kind)) : 0, ""));
    mu_append_safe(out, subject, strlen(subject));
    mu_must(mu_buffer_append_text(out, "  "));
    if (session[0] != '\0') {
        session_event(out, event, kind);
    } else {
        other_event(out, event);
    }
}
