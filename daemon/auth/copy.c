#include "auth/copy.h"

#include <stdlib.h>
#include <string.h>

#include "auth/principal.h"
#include "base/alloc.h"
#include "base/ids.h"
#include "base/utf8.h"

#define REASON_MAX 200

static const char *keep(const char *text) {
    return text != NULL ? mu_strdup(text) : NULL;
}

/* A sentence that fits into a line of any protocol: valid UTF-8, cut between characters, without
 * control characters. */
static const char *keep_sentence(const char *text) {
    if (text == NULL) {
        return NULL;
    }
    char *copy = mu_calloc(1, REASON_MAX + 1);
    size_t used = 0;
    for (size_t left = strlen(text); left > 0;) {
        size_t size = mu_utf8_sequence((const unsigned char *)text, left, NULL);
        size_t step = size > 0 ? size : 1;
        if (used + step > REASON_MAX) {
            break;
        }
        if (size == 0 || (unsigned char)*text < 0x20 || *text == 0x7f) {
            copy[used++] = ' ';
        } else {
            memcpy(copy + used, text, size);
            used += size;
        }
        text += step;
        left -= step;
    }
    return copy;
}

void mu_decision_copy(struct mu_decision_copy *copy, const struct muster_decision *decision) {
    static const struct muster_decision none = {.verdict = MUSTER_DENY,
                                                .reason = "who decides it gave no verdict"};
    if ((unsigned)decision->verdict > MUSTER_DEFER) {
        decision = &none;
    }
    copy->decision = *decision;
    copy->decision.reason = keep_sentence(decision->reason);
    copy->decision.user = keep(decision->user);
    copy->decision.claims = keep(decision->claims);
    bool holder = decision->quota_holder != NULL &&
                  mu_id_valid(decision->quota_holder, strlen(decision->quota_holder));
    copy->decision.quota_holder = holder ? keep(decision->quota_holder) : NULL;
    copy->principal =
        mu_principal_is_valid(decision->principal) ? mu_caller_create(decision->principal) : NULL;
    copy->decision.principal =
        copy->principal != NULL ? mu_caller_principal(copy->principal) : NULL;
}

void mu_decision_copy_deinit(struct mu_decision_copy *copy) {
    free((char *)(uintptr_t)copy->decision.reason);
    free((char *)(uintptr_t)copy->decision.user);
    free((char *)(uintptr_t)copy->decision.claims);
    free((char *)(uintptr_t)copy->decision.quota_holder);
    mu_caller_unref(&copy->principal);
    memset(copy, 0, sizeof *copy);
}
