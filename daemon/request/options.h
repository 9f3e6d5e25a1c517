/* options.h - what the door changes in the options of a request: the credential is taken out, the
 * user, `lead:false` and the quota are put in. Everything else keeps its meaning. Pure. */
#ifndef MU_REQUEST_OPTIONS_H
#define MU_REQUEST_OPTIONS_H

#include <stdbool.h>

#include "auth/quota.h"
#include "base/error.h"
#include "muster/types.h"

struct mu_options {
    char *credential; /* NULL: there was none. Wiped by deinit */
    size_t credential_length;
    char *user; /* as asked for; NULL: none */
    char *rest; /* the options without the credential; NULL: unchanged */
};

/* OK; BAD_JSON when they are no object, BAD_REQUEST when the credential is no text, or when there
 * is a quota: no caller says how much it may hold. */
enum muster_status mu_options_take(const struct muster_text *options, struct mu_options *out,
                                   struct mu_error *error);
void mu_options_deinit(struct mu_options *options);

/* The options with this user. For free(). NULL: they cannot be read. */
char *mu_options_with_user(const char *options, const char *user);
/* The options with this quota; its bounds that are 0 are left out. For free(). NULL: they cannot be
 * read. */
char *mu_options_with_quota(const char *options, const struct mu_quota *quota);
/* The options with lead:false. For free(). NULL: they cannot be read. */
char *mu_options_without_lead(const char *options);

#endif
