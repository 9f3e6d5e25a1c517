/* Stands in until the folder is filled, so that the daemon links: delete this file with it. */
#include "auth/auth.h"
#include <stdlib.h>
struct mu_auth *mu_auth_create(const struct mu_auth_options *o) {
    (void)o;
    return (void *)1;
}
void mu_auth_destroy(struct mu_auth **a) {
    *a = NULL;
}
void mu_auth_add_authenticator(struct mu_auth *a, const struct mu_authenticator *x) {
    (void)a;
    (void)x;
}
void mu_auth_add_authorizer(struct mu_auth *a, const struct mu_authorizer *x) {
    (void)a;
    (void)x;
}
void mu_auth_remove(struct mu_auth *a, const char *n) {
    (void)a;
    (void)n;
}
enum mu_decide_outcome mu_auth_decide(struct mu_auth *a, const char *n, struct muster_handle h,
                                      const struct muster_decision *d) {
    (void)a;
    (void)n;
    (void)h;
    (void)d;
    return MU_DECIDED_LATE;
}
void mu_auth_counts(const struct mu_auth *a, struct mu_auth_counts *o) {
    (void)a;
    *o = (struct mu_auth_counts){0};
}
struct muster_caller *mu_caller_ref(struct muster_caller *c) {
    return c;
}
struct muster_caller *mu_caller_anonymous(void) {
    abort();
}
void mu_caller_unref(struct muster_caller **c) {
    *c = NULL;
}
const struct muster_principal *mu_caller_principal(const struct muster_caller *c) {
    (void)c;
    abort();
}
