/* Stands in until the folder is filled, so that the daemon links and doors can be tried: delete
 * this file with it. No cache, no audit, no end users. */
#include <stdlib.h>
#include <string.h>

#include "auth/auth.h"
#include "base/alloc.h"

#define MOST 1024

struct muster_caller {
    struct muster_principal principal;
    char *id;
    size_t references;
};

struct question {
    uint32_t generation;
    bool open, decided;
    size_t at; /* which link was asked */
    uint64_t deadline;
    mu_verdict_cb callback;
    void *context;
    const struct muster_principal *principal;
    enum muster_action action;
    const struct muster_resource *resource;
};

struct mu_auth {
    struct mu_auth_options options;
    struct mu_authorizer links[64];
    char *names[64];
    size_t count;
    struct question questions[MOST];
    struct mu_auth_counts counts;
};

struct mu_auth *mu_auth_create(const struct mu_auth_options *options) {
    struct mu_auth *self = mu_calloc(1, sizeof *self);
    self->options = *options;
    return self;
}

void mu_auth_destroy(struct mu_auth **auth) {
    for (size_t i = 0; i < (*auth)->count; i++) {
        free((*auth)->names[i]);
    }
    free(*auth);
    *auth = NULL;
}

void mu_auth_add_authenticator(struct mu_auth *self, const struct mu_authenticator *link) {
    (void)self;
    (void)link;
}

void mu_auth_add_authorizer(struct mu_auth *self, const struct mu_authorizer *link) {
    self->links[self->count] = *link;
    self->names[self->count++] = mu_strdup(link->name);
}

static void end(struct mu_auth *self, struct question *question, enum muster_status status,
                const char *reason) {
    struct mu_verdict verdict = {.status = status, .reason = reason};
    question->open = false;
    self->counts.pending--;
    if (status == MUSTER_OK) {
        self->counts.allowed++;
    } else if (status == MUSTER_TIMEOUT) {
        self->counts.timeouts++;
    } else {
        self->counts.denied++;
    }
    question->callback(question->context, &verdict);
}

static void end_denied(struct mu_auth *self, struct question *question,
                       const struct muster_decision *decision) {
    end(self, question, decision->code != MUSTER_OK ? decision->code : MUSTER_DENIED,
        decision->reason != NULL ? decision->reason : "not allowed");
}

static void ask(struct mu_auth *self, struct question *question) {
    for (; question->at < self->count; question->at++) {
        struct mu_authorizer *link = &self->links[question->at];
        struct muster_decision decision = {0};
        struct muster_handle handle = {(uint32_t)(question - self->questions),
                                       ++question->generation};
        question->decided = false;
        enum muster_verdict verdict =
            link->authorize(link->context, handle, question->principal, question->action,
                            question->resource, &decision);
        if (verdict == MUSTER_LATER) {
            return;
        }
        if (verdict == MUSTER_DENY) {
            end_denied(self, question, &decision);
            return;
        }
        if (verdict == MUSTER_ALLOW) {
            end(self, question, MUSTER_OK, NULL);
            return;
        }
    }
    if (self->options.allow_by_default) {
        end(self, question, MUSTER_OK, NULL);
    } else {
        end(self, question, MUSTER_DENIED, "authorization.default is deny");
    }
}

void mu_auth_remove(struct mu_auth *self, const char *name) {
    for (size_t i = 0; i < self->count; i++) {
        if (strcmp(self->names[i], name) != 0) {
            continue;
        }
        for (size_t j = 0; j < MOST; j++) {
            if (self->questions[j].open && self->questions[j].at == i) {
                end(self, &self->questions[j], MUSTER_DENIED, "the authorizer ends");
            }
        }
    }
}

void mu_auth_authenticate(struct mu_auth *self, const struct muster_credentials *credentials,
                          uint64_t deadline, mu_verdict_cb callback, void *context,
                          uint64_t *ticket) {
    struct muster_caller *caller = mu_caller_anonymous();
    struct mu_verdict verdict = {.status = MUSTER_OK, .caller = caller};
    (void)self;
    (void)credentials;
    (void)deadline;
    *ticket = 0;
    callback(context, &verdict);
    mu_caller_unref(&caller);
}

void mu_auth_authorize(struct mu_auth *self, struct muster_caller *caller,
                       enum muster_action action, const struct muster_resource *resource,
                       uint64_t deadline, mu_verdict_cb callback, void *context, uint64_t *ticket) {
    static const struct muster_principal nobody = {.id = "anonymous"};
    for (size_t i = 0; i < MOST; i++) {
        struct question *question = &self->questions[i];
        if (!question->open) {
            *question = (struct question){
                .generation = question->generation,
                .open = true,
                .deadline = deadline,
                .callback = callback,
                .context = context,
                .principal = caller != NULL ? &caller->principal : &nobody,
                .action = action,
                .resource = resource,
            };
            self->counts.pending++;
            *ticket = i + 1;
            ask(self, question);
            *ticket = question->open ? *ticket : 0;
            return;
        }
    }
    *ticket = 0;
    callback(context, &(struct mu_verdict){.status = MUSTER_OVERLOADED, .reason = "full"});
}

void mu_auth_cancel(struct mu_auth *self, uint64_t ticket) {
    if (ticket != 0 && self->questions[ticket - 1].open) {
        self->questions[ticket - 1].open = false;
        self->counts.pending--;
    }
}

enum mu_decide_outcome mu_auth_decide(struct mu_auth *self, const char *name,
                                      struct muster_handle handle,
                                      const struct muster_decision *decision) {
    if (handle.slot >= MOST || self->questions[handle.slot].generation < handle.generation) {
        self->counts.not_yours++;
        return MU_DECIDED_NOT_YOURS;
    }
    struct question *question = &self->questions[handle.slot];
    if (question->decided && question->generation == handle.generation) {
        self->counts.twice++;
        return MU_DECIDED_TWICE;
    }
    if (!question->open || question->generation != handle.generation) {
        self->counts.late++;
        return MU_DECIDED_LATE;
    }
    if (strcmp(self->names[question->at], name) != 0) {
        self->counts.not_yours++;
        return MU_DECIDED_NOT_YOURS;
    }
    question->decided = true;
    if (decision->verdict == MUSTER_DENY) {
        end_denied(self, question, decision);
    } else if (decision->verdict == MUSTER_ALLOW) {
        end(self, question, MUSTER_OK, NULL);
    } else {
        question->at++;
        ask(self, question);
    }
    return MU_DECIDED;
}

uint64_t mu_auth_tick(struct mu_auth *self, uint64_t now) {
    uint64_t next = UINT64_MAX;
    for (size_t i = 0; i < MOST; i++) {
        struct question *question = &self->questions[i];
        if (question->open && question->deadline <= now) {
            end(self, question, MUSTER_TIMEOUT, "nobody decided in time");
        } else if (question->open && question->deadline < next) {
            next = question->deadline;
        }
    }
    return next;
}

void mu_auth_counts(const struct mu_auth *self, struct mu_auth_counts *out) {
    *out = self->counts;
}

struct muster_caller *mu_caller_anonymous(void) {
    struct muster_caller *caller = mu_calloc(1, sizeof *caller);
    caller->principal.id = "anonymous";
    caller->references = 1;
    return caller;
}

struct muster_caller *mu_caller_ref(struct muster_caller *caller) {
    caller->references++;
    return caller;
}

void mu_caller_unref(struct muster_caller **caller) {
    if (*caller != NULL && --(*caller)->references == 0) {
        free(*caller);
    }
    *caller = NULL;
}

const struct muster_principal *mu_caller_principal(const struct muster_caller *caller) {
    return &caller->principal;
}
