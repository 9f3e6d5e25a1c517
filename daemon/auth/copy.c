#include "auth/copy.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#define REASON_MAX 200
#define CLAIMS_MAX 16384

static const char *keep(const char *text, size_t most) {
    return text != NULL ? mu_strndup(text, strnlen(text, most)) : NULL;
}

void mu_decision_copy(struct mu_decision_copy *copy, const struct muster_decision *decision) {
    copy->decision = *decision;
    copy->decision.reason = keep(decision->reason, REASON_MAX);
    copy->decision.user = keep(decision->user, SIZE_MAX);
    copy->decision.claims = keep(decision->claims, CLAIMS_MAX);
    copy->principal = decision->principal != NULL && decision->principal->id != NULL
                          ? mu_caller_create(decision->principal)
                          : NULL;
    copy->decision.principal =
        copy->principal != NULL ? mu_caller_principal(copy->principal) : NULL;
}

void mu_decision_copy_deinit(struct mu_decision_copy *copy) {
    free((char *)(uintptr_t)copy->decision.reason);
    free((char *)(uintptr_t)copy->decision.user);
    free((char *)(uintptr_t)copy->decision.claims);
    mu_caller_unref(&copy->principal);
    memset(copy, 0, sizeof *copy);
}
