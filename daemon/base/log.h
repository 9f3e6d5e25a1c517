/* log.h - logfmt or JSON, one event a line: a stable event name, ids as fields.
 *
 *     MU_LOG(log, MU_LOG_INFO, "lease.acquired", MU_STR("id", id), MU_INT("epoch", epoch));
 *
 * gives `time=2026-01-02T03:04:05.678Z level=info event=lease.acquired id=a epoch=17`.
 * Never log a credential, a secret or a profile.
 */
#ifndef MU_BASE_LOG_H
#define MU_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum mu_log_level { MU_LOG_DEBUG, MU_LOG_INFO, MU_LOG_WARN, MU_LOG_ERROR };
enum mu_log_format { MU_LOG_LOGFMT, MU_LOG_JSON };

struct mu_log_field {
    const char *name;
    const char *text; /* NULL: the number counts */
    int64_t number;
};

/* A function, so that an array may stand for `value` without a warning that it is never NULL. */
static inline const char *mu_log_text(const char *value) {
    return value != NULL ? value : "";
}

#define MU_STR(field, value) ((struct mu_log_field){(field), mu_log_text(value), 0})
#define MU_INT(field, value) ((struct mu_log_field){(field), NULL, (int64_t)(value)})

struct mu_log;

/* Writes to file descriptor `fd` (not owned), each line with one write(2). Never fails. */
struct mu_log *mu_log_create(int fd, enum mu_log_level level, enum mu_log_format format);
void mu_log_destroy(struct mu_log **log);
void mu_log_set_level(struct mu_log *log, enum mu_log_level level);
/* Of lines that say the same again (log_limit.h) at most so many in a period are written; what was
 * held back is told as `log.suppressed`. 0: no limit. At first: 50 in 10 s. At level debug nothing
 * is held back. */
void mu_log_limit(struct mu_log *log, uint64_t most, uint64_t period_ms);
bool mu_log_enabled(const struct mu_log *log, enum mu_log_level level);

/* `log` may be NULL: nothing is written. Use the macro. */
void mu_log_write(struct mu_log *log, enum mu_log_level level, const char *event,
                  const struct mu_log_field *fields, size_t count);

#define MU_LOG(log, level, event, ...)                                                             \
    mu_log_write((log), (level), (event), (const struct mu_log_field[]){__VA_ARGS__},              \
                 sizeof((const struct mu_log_field[]){__VA_ARGS__}) / sizeof(struct mu_log_field))

bool mu_log_level_parse(const char *text, enum mu_log_level *level);
bool mu_log_format_parse(const char *text, enum mu_log_format *format);

#endif
