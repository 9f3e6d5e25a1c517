#include "auth/chain.h"

#include <stdlib.h>

#include "base/alloc.h"

struct mu_auth_link *mu_auth_chain_append(struct mu_auth_chain *chain, const char *name,
                                          void *context) {
    chain->links = mu_realloc(chain->links, (chain->count + 1) * sizeof *chain->links);
    struct mu_auth_link *link = &chain->links[chain->count++];
    *link = (struct mu_auth_link){.name = mu_strdup(name), .context = context};
    return link;
}

void mu_auth_chain_deinit(struct mu_auth_chain *chain) {
    for (size_t i = 0; i < chain->count; i++) {
        free(chain->links[i].name);
    }
    free(chain->links);
    *chain = (struct mu_auth_chain){0};
}

void mu_auth_chain_each(const struct mu_auth_chain *chain, mu_auth_link_cb each, void *context) {
    for (size_t i = 0; i < chain->count; i++) {
        const struct mu_auth_link *link = &chain->links[i];
        each(context, link->name, link->authenticate != NULL, &link->counts);
    }
}

void mu_auth_link_count(struct mu_auth_link *link, enum muster_verdict verdict, uint64_t took_us) {
    struct mu_auth_link_counts *counts = &link->counts;
    mu_histogram_add(&counts->took, MU_HISTOGRAM_TIME, took_us);
    switch (verdict) {
    case MUSTER_ALLOW:
        counts->allowed++;
        break;
    case MUSTER_DENY:
        counts->denied++;
        break;
    case MUSTER_DEFER:
        counts->deferred++;
        break;
    case MUSTER_LATER:
        counts->timeouts++;
        break;
    }
}
