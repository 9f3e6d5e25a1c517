#include "auth/audit.h"

#include <stddef.h>

#define DENIALS_A_SECOND 100 /* a stranger must not fill the disk */

void mu_audit_write(struct mu_audit *audit, uint64_t now, const struct mu_audit_line *line) {
    static const struct muster_resource nothing;
    const struct muster_resource *resource = line->resource != NULL ? line->resource : &nothing;
    enum mu_log_level level = line->allowed ? MU_LOG_DEBUG : MU_LOG_INFO;
    if (audit->log == NULL || !mu_log_enabled(audit->log, level)) {
        return;
    }
    if (!line->allowed) {
        if (now / 1000 != audit->second) {
            if (audit->suppressed > 0) {
                MU_LOG(audit->log, MU_LOG_WARN, "auth.denials_not_shown",
                       MU_INT("count", audit->suppressed));
            }
            audit->second = now / 1000;
            audit->written = 0;
            audit->suppressed = 0;
        }
        if (audit->written++ >= DENIALS_A_SECOND) {
            audit->suppressed++;
            return;
        }
    }
    MU_LOG(audit->log, level, line->allowed ? "auth.allowed" : "auth.denied",
           MU_STR("principal", line->principal != NULL ? line->principal->id : ""),
           MU_STR("action", line->action), MU_STR("operation", resource->operation),
           MU_STR("session", resource->session), MU_STR("connection", resource->connection),
           MU_STR("instance", resource->instance), MU_STR("user", resource->user),
           MU_STR("by", line->by), MU_STR("code", muster_status_code(line->status)),
           MU_STR("reason", line->reason));
}
