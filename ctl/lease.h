/* lease.h - the value of the coordinator's lease, read strictly. */
#ifndef MU_CTL_LEASE_H
#define MU_CTL_LEASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Slices of the text that was read; not NUL-terminated. */
struct mu_ctl_lease {
    const char *id;
    size_t id_length;
    const char *nonce;
    size_t nonce_length;
    uint64_t epoch;
    uint64_t renewals;
    const char *address; /* what the holder advertises; may be empty and may hold slashes */
    size_t address_length;
};

/* `<id>/<nonce>/<epoch>/<renewals>/<advertised address>`. False: `wrong` says what is amiss
 * (static storage). */
bool mu_ctl_lease_parse(const char *text, size_t length, struct mu_ctl_lease *lease,
                        const char **wrong);

#endif
