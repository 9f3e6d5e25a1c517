#include "auth/caller.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

struct muster_caller {
    struct muster_principal principal; /* its texts are owned */
    size_t references;
};

static char *copy(const char *text) {
    return text != NULL ? mu_strdup(text) : NULL;
}

struct muster_caller *mu_caller_create(const struct muster_principal *principal) {
    struct muster_caller *caller = mu_calloc(1, sizeof *caller);
    caller->references = 1;
    caller->principal = *principal;
    caller->principal.id = mu_strdup(principal->id);
    caller->principal.instance = copy(principal->instance);
    caller->principal.claims = copy(principal->claims);
    caller->principal.roles = NULL;
    if (principal->role_count > 0) {
        const char **roles = mu_calloc(principal->role_count, sizeof *roles);
        for (size_t i = 0; i < principal->role_count; i++) {
            roles[i] = mu_strdup(principal->roles[i]);
        }
        caller->principal.roles = roles;
    }
    return caller;
}

struct muster_caller *mu_caller_anonymous(void) {
    return mu_caller_create(&(struct muster_principal){
        .id = "anonymous",
        .kind = MUSTER_PRINCIPAL_ANONYMOUS,
    });
}

struct muster_caller *mu_caller_ref(struct muster_caller *caller) {
    assert(caller->references > 0);
    caller->references++;
    return caller;
}

static void release(const char *text) {
    free((char *)(uintptr_t)text);
}

void mu_caller_unref(struct muster_caller **pointer) {
    struct muster_caller *caller = *pointer;
    *pointer = NULL;
    if (caller == NULL) {
        return;
    }
    assert(caller->references > 0);
    if (--caller->references > 0) {
        return;
    }
    for (size_t i = 0; i < caller->principal.role_count; i++) {
        release(caller->principal.roles[i]);
    }
    free((void *)(uintptr_t)caller->principal.roles);
    release(caller->principal.id);
    release(caller->principal.instance);
    release(caller->principal.claims);
    free(caller);
}

const struct muster_principal *mu_caller_principal(const struct muster_caller *caller) {
    return &caller->principal;
}
