#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/log_limit.h"

#define LINE_MAX_BYTES (64u * 1024u)
#define VALUE_MAX_BYTES (4u * 1024u) /* more of one value is cut: a log is read by people */

struct mu_log {
    int fd;
    enum mu_log_level level;
    enum mu_log_format format;
    struct mu_log_limit limit;
};

static const char *const level_words[] = {"debug", "info", "warn", "error"};
static const char *const format_words[] = {"logfmt", "json"};

#define LIMIT_LINES 50
#define LIMIT_PERIOD_MS 10000

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct mu_log *mu_log_create(int fd, enum mu_log_level level, enum mu_log_format format) {
    struct mu_log *log = mu_calloc(1, sizeof *log);

    log->fd = fd;
    log->level = level;
    log->format = format;
    mu_log_limit(log, LIMIT_LINES, LIMIT_PERIOD_MS);
    return log;
}

void mu_log_limit(struct mu_log *log, uint64_t most, uint64_t period_ms) {
    log->limit.most = most;
    log->limit.period_ms = period_ms;
}

void mu_log_set_level(struct mu_log *log, enum mu_log_level level) {
    log->level = level;
}

bool mu_log_enabled(const struct mu_log *log, enum mu_log_level level) {
    return log != NULL && level >= log->level;
}

/* Bare in logfmt: printable ASCII without what would begin or end a value. */
static bool bare(const char *text, size_t length) {
    if (length == 0) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)text[i];

        if (byte <= ' ' || byte >= 0x7F || byte == '"' || byte == '=' || byte == '\\') {
            return false;
        }
    }
    return true;
}

static bool append_bytes(struct mu_buffer *line, enum mu_log_format format, const char *text,
                         size_t length) {
    if (format == MU_LOG_LOGFMT && bare(text, length)) {
        return mu_buffer_append(line, text, length);
    }
    return mu_buffer_append_json(line, text, length);
}

static bool append_value(struct mu_buffer *line, enum mu_log_format format, const char *text) {
    size_t length = strnlen(text, VALUE_MAX_BYTES + 1);
    struct mu_buffer cut;
    bool done;

    if (length <= VALUE_MAX_BYTES) {
        return append_bytes(line, format, text, length);
    }
    mu_buffer_init(&cut, 0);
    done = mu_buffer_append(&cut, text, VALUE_MAX_BYTES) && mu_buffer_append_text(&cut, "...") &&
           append_bytes(line, format, cut.data, cut.length);
    mu_buffer_deinit(&cut);
    return done;
}

static bool append_name(struct mu_buffer *line, enum mu_log_format format, const char *name) {
    bool first = line->length == 0;

    if (format == MU_LOG_JSON) {
        return mu_buffer_printf(line, "%s\"%s\":", first ? "{" : ",", name);
    }
    return mu_buffer_printf(line, "%s%s=", first ? "" : " ", name);
}

static bool append_text(struct mu_buffer *line, enum mu_log_format format, const char *name,
                        const char *text) {
    return append_name(line, format, name) && append_value(line, format, text);
}

static bool append_field(struct mu_buffer *line, enum mu_log_format format,
                         const struct mu_log_field *field) {
    if (field->text != NULL) {
        return append_text(line, format, field->name, field->text);
    }
    return append_name(line, format, field->name) &&
           mu_buffer_printf(line, "%" PRId64, field->number);
}

static void format_time(char *out, size_t size) {
    uint64_t ms = mu_clock_realtime_ms();
    time_t seconds = (time_t)(ms / 1000);
    struct tm utc;
    char day[32];

    if (gmtime_r(&seconds, &utc) == NULL ||
        strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &utc) == 0) {
        day[0] = '\0';
    }
    snprintf(out, size, "%s.%03uZ", day, (unsigned)(ms % 1000));
}

/* Nobody could be told of a failure to log, so what cannot be written is lost. */
static void write_line(int fd, const char *data, size_t length) {
    while (length > 0) {
        ssize_t written = write(fd, data, length);

        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return;
        }
        data += written;
        length -= (size_t)written;
    }
}

static void write_event(struct mu_log *log, enum mu_log_level level, const char *event,
                        const struct mu_log_field *fields, size_t count) {
    struct mu_buffer line;
    char now[48];
    bool fits;

    mu_buffer_init(&line, LINE_MAX_BYTES);
    format_time(now, sizeof now);
    fits = append_text(&line, log->format, "time", now) &&
           append_text(&line, log->format, "level", level_words[level]) &&
           append_text(&line, log->format, "event", event);
    /* Fields that do not fit are left out whole, so that every line can be parsed. */
    for (size_t i = 0; fits && i < count; i++) {
        size_t before = line.length;

        if (!append_field(&line, log->format, &fields[i]) || line.length + 2 > LINE_MAX_BYTES) {
            line.length = before;
            break;
        }
    }
    if (fits && mu_buffer_append_text(&line, log->format == MU_LOG_JSON ? "}\n" : "\n")) {
        write_line(log->fd, line.data, line.length);
    }
    mu_buffer_deinit(&line);
}

static void tell(struct mu_log *log, const struct mu_log_kind *kind) {
    const struct mu_log_field fields[] = {
        MU_STR("suppressed", kind->event),
        MU_STR("of", kind->ids),
        MU_INT("lines", kind->held),
        MU_INT("period_ms", log->limit.period_ms),
    };

    write_event(log, kind->level, "log.suppressed", fields, COUNT(fields));
}

void mu_log_write(struct mu_log *log, enum mu_log_level level, const char *event,
                  const struct mu_log_field *fields, size_t count) {
    struct mu_log_kind told;
    bool pass;

    if (!mu_log_enabled(log, level) || (size_t)level >= COUNT(level_words)) {
        return;
    }
    if (log->level == MU_LOG_DEBUG) { /* somebody wants all of it */
        write_event(log, level, event, fields, count);
        return;
    }
    pass =
        mu_log_limit_pass(&log->limit, mu_clock_boottime_ms(), level, event, fields, count, &told);
    if (told.held > 0) {
        tell(log, &told);
    }
    if (pass) {
        write_event(log, level, event, fields, count);
    }
}

void mu_log_destroy(struct mu_log **log) {
    struct mu_log_kind told;

    while (*log != NULL && mu_log_limit_rest(&(*log)->limit, &told)) {
        tell(*log, &told);
    }
    free(*log);
    *log = NULL;
}

static bool find_word(const char *const *words, size_t count, const char *text, size_t *index) {
    for (size_t i = 0; i < count; i++) {
        if (strcmp(words[i], text) == 0) {
            *index = i;
            return true;
        }
    }
    return false;
}

bool mu_log_level_parse(const char *text, enum mu_log_level *level) {
    size_t index;

    if (!find_word(level_words, COUNT(level_words), text, &index)) {
        return false;
    }
    *level = (enum mu_log_level)index;
    return true;
}

bool mu_log_format_parse(const char *text, enum mu_log_format *format) {
    size_t index;

    if (!find_word(format_words, COUNT(format_words), text, &index)) {
        return false;
    }
    *format = (enum mu_log_format)index;
    return true;
}
