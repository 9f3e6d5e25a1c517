#include "lease.h"

#include <string.h>

#include "ask.h"
#include "base/ids.h"

static bool part(const char **at, size_t *left, const char **out, size_t *length) {
    const char *slash = memchr(*at, '/', *left);
    if (slash == NULL) {
        return false;
    }
    *out = *at;
    *length = (size_t)(slash - *at);
    *left -= *length + 1;
    *at = slash + 1;
    return true;
}

bool mu_ctl_lease_parse(const char *text, size_t length, struct mu_ctl_lease *lease,
                        const char **wrong) {
    const char *epoch = NULL;
    const char *renewals = NULL;
    size_t epoch_length = 0;
    size_t renewals_length = 0;
    memset(lease, 0, sizeof *lease);
    if (!part(&text, &length, &lease->id, &lease->id_length) ||
        !part(&text, &length, &lease->nonce, &lease->nonce_length) ||
        !part(&text, &length, &epoch, &epoch_length) ||
        !part(&text, &length, &renewals, &renewals_length)) {
        *wrong = "it has not the five parts id/nonce/epoch/renewals/address";
    } else if (!mu_id_valid(lease->id, lease->id_length)) {
        *wrong = "its holder is no id";
    } else if (!mu_id_valid(lease->nonce, lease->nonce_length)) {
        *wrong = "its nonce is no id";
    } else if (!mu_parse_whole(epoch, epoch_length, &lease->epoch)) {
        *wrong = "its epoch is no number";
    } else if (!mu_parse_whole(renewals, renewals_length, &lease->renewals)) {
        *wrong = "its count of renewals is no number";
    } else {
        lease->address = text;
        lease->address_length = length;
        return true;
    }
    return false;
}
