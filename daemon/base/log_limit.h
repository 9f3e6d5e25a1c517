/* log_limit.h - which lines of the log say again what was said often enough.
 *
 * A line is the same again when its event and the ids in it are. Of the same, `most` are let
 * through in a `period_ms`; the rest is counted, and told once the period is over. Never held back
 * is what must be complete: decisions about callers (auth.*), orders, changes of the configuration.
 * With log.level debug nothing is held back at all.
 *
 * Bounded: so many kinds of lines are told apart at a time; one that has no place takes that of
 * another, which is then counted anew.
 */
#ifndef MU_BASE_LOG_LIMIT_H
#define MU_BASE_LOG_LIMIT_H

#include "base/log.h"

#define MU_LOG_LIMIT_KINDS 256
#define MU_LOG_LIMIT_SHOWN 96

struct mu_log_kind {
    uint64_t hash;  /* 0: free */
    uint64_t since; /* ms */
    uint64_t lines; /* since then */
    uint64_t held;  /* of them, not written and not told yet */
    enum mu_log_level level;
    char event[64];
    char ids[MU_LOG_LIMIT_SHOWN]; /* "instance=a incarnation=i"; cut */
};

struct mu_log_limit {
    uint64_t most; /* 0: no limit */
    uint64_t period_ms;
    size_t hand; /* the next kind to be looked at */
    struct mu_log_kind kinds[MU_LOG_LIMIT_KINDS];
};

/* False: hold it back. `told` is filled in, with `held` above 0, when something is to be told
 * before the line: at most one kind a call. */
bool mu_log_limit_pass(struct mu_log_limit *limit, uint64_t now, enum mu_log_level level,
                       const char *event, const struct mu_log_field *fields, size_t count,
                       struct mu_log_kind *told);
/* The next kind of which something is to be told, at the end. False: there is none. */
bool mu_log_limit_rest(struct mu_log_limit *limit, struct mu_log_kind *told);

#endif
