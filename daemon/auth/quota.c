#include "auth/quota.h"

#include <string.h>

#include "base/ids.h"

static const char *id_or_null(const char *text) {
    return text != NULL && mu_id_valid(text, strlen(text)) ? text : NULL;
}

bool mu_quota_of(const struct muster_decision *decision, const struct muster_principal *principal,
                 struct mu_quota *out) {
    *out = (struct mu_quota){NULL, decision->quota_connections, decision->quota_sessions};
    if (out->connections == 0 && out->sessions == 0) {
        return true;
    }
    out->holder = id_or_null(decision->quota_holder);
    if (out->holder == NULL) {
        out->holder = id_or_null(principal->id);
    }
    return out->holder != NULL;
}
