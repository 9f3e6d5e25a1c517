/* fsck.c - the command. */
#include <stdlib.h>
#include <string.h>

#include "fsck/fsck.h"

#define LIMIT 1000 /* findings listed of one invariant */

static void deinit(struct mu_fsck *fsck) {
    mu_names_deinit(&fsck->session_names);
    mu_names_deinit(&fsck->instance_names);
    mu_names_deinit(&fsck->owner_names);
    mu_names_deinit(&fsck->connection_names);
    mu_names_deinit(&fsck->raw);
    mu_pairs_deinit(&fsck->pairs);
    for (size_t i = 0; i < fsck->finding_count; i++) {
        free(fsck->findings[i].key);
        free(fsck->findings[i].what);
    }
    free(fsck->findings);
    free(fsck->suspects);
    free(fsck->sessions);
    free(fsck->instances);
    free(fsck->owners);
    free(fsck->generation);
}

enum mu_ctl_exit mu_ctl_fsck(struct mu_ctl *ctl) {
    struct mu_fsck fsck;
    struct mu_ctl_options options = *ctl->options;
    const struct mu_ctl_options *given = ctl->options;
    memset(&fsck, 0, sizeof fsck);
    if (options.limit == UINT64_MAX) {
        options.limit = LIMIT;
    }
    ctl->options = &options;
    fsck.ctl = ctl;
    mu_fsck_survey(&fsck);
    mu_fsck_looks(&fsck);
    if (!ctl->lost && options.listen_ms > 0) {
        mu_fsck_stream(&fsck, options.listen_ms);
    }
    enum mu_ctl_exit status = MU_CTL_UNREACHABLE;
    if (!ctl->lost) {
        mu_fsck_report(&fsck);
        status = MU_CTL_FINE;
        for (int i = 1; i <= MU_INVARIANTS; i++) {
            status = fsck.found[i] > 0 ? MU_CTL_NO : status;
        }
    }
    deinit(&fsck);
    ctl->options = given;
    return status;
}
