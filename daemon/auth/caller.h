/* caller.h - an authenticated principal, counted by reference; what plugins see as
 * `struct muster_caller`. */
#ifndef MU_AUTH_CALLER_H
#define MU_AUTH_CALLER_H

#include "muster/types.h"

struct muster_caller;

/* A deep copy of `principal` with one reference. */
struct muster_caller *mu_caller_create(const struct muster_principal *principal);
/* The anonymous one; a new reference. */
struct muster_caller *mu_caller_anonymous(void);
struct muster_caller *mu_caller_ref(struct muster_caller *caller);
/* Clears the pointer; NULL is fine. */
void mu_caller_unref(struct muster_caller **caller);
/* Valid as long as the reference. */
const struct muster_principal *mu_caller_principal(const struct muster_caller *caller);

#endif
