/* chain.h - who is asked, in order, and what each of them said. Private to daemon/auth. */
#ifndef MU_AUTH_CHAIN_H
#define MU_AUTH_CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "auth/auth.h"

struct mu_auth_link {
    char *name;
    void *context;
    /* One of the two. */
    enum muster_verdict (*authenticate)(void *context, struct muster_handle handle,
                                        const struct muster_credentials *credentials,
                                        struct muster_decision *decision);
    enum muster_verdict (*authorize)(void *context, struct muster_handle handle,
                                     const struct muster_principal *principal,
                                     enum muster_action action,
                                     const struct muster_resource *resource,
                                     struct muster_decision *decision);
    bool gone; /* its plugin has stopped */
    struct mu_auth_link_counts counts;
};

struct mu_auth_chain {
    struct mu_auth_link *links;
    size_t count;
};

/* All zero is an empty chain. The name is copied; the link is valid until the next one. */
struct mu_auth_link *mu_auth_chain_append(struct mu_auth_chain *chain, const char *name,
                                          void *context);
void mu_auth_chain_deinit(struct mu_auth_chain *chain);
void mu_auth_chain_each(const struct mu_auth_chain *chain, mu_auth_link_cb each, void *context);

/* It said `verdict` after so long. LATER: it had said so, and then nothing. */
void mu_auth_link_count(struct mu_auth_link *link, enum muster_verdict verdict, uint64_t took_us);

#endif
