/* audit.h - one log line a decision: denials at level info, bounded in number; allowances at debug.
 *
 * Ids, action, who decided and why. Never a credential, claims or options. */
#ifndef MU_AUTH_AUDIT_H
#define MU_AUTH_AUDIT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "muster/types.h"

struct mu_audit {
    struct mu_log *log; /* may be NULL */
    uint64_t second;    /* that `written` counts */
    uint64_t written;
    uint64_t suppressed;
};

struct mu_audit_line {
    bool allowed;
    enum muster_status status;
    const struct muster_principal *principal; /* NULL: of an authentication that failed */
    const char *action;
    const struct muster_resource *resource; /* may be NULL */
    const char *by;                         /* a plugin, "default", "cache" or "binding" */
    const char *reason;                     /* may be NULL */
};

/* `now` on boottime. */
void mu_audit_write(struct mu_audit *audit, uint64_t now, const struct mu_audit_line *line);

#endif
