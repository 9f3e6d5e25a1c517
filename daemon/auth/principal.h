/* principal.h - what authenticators may say of somebody. Pure, but for the wall clock. */
#ifndef MU_AUTH_PRINCIPAL_H
#define MU_AUTH_PRINCIPAL_H

#include <stdbool.h>

#include "muster/types.h"

/* The id and each of at most 64 roles have 1 to 256 bytes without control characters; the instance
 * is an id. NULL is none. */
bool mu_principal_is_valid(const struct muster_principal *principal);
bool mu_principal_has_expired(const struct muster_principal *principal);
/* More than 16 KiB; NULL is fine. */
bool mu_claims_too_large(const char *claims);

#endif
