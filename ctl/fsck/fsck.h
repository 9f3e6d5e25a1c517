/* fsck.h - musterctl fsck: passes of looks over the namespace, and what they find.
 *
 * Nothing of the namespace is kept here but the findings: what is looked at, and whether it is
 * right at one moment, is muster_look's business (daemon/functions/85_look.lua); in which order,
 * and that nothing is said that a second look does not confirm, is that of registry/looks.h.
 *
 *   fsck.c     the passes, and the repair of what they find
 *   recount.c  sessions that are too large for one look
 *   held.c     counts of quotas, when there are too many records for one look
 *   stream.c   the events, with --watch
 *   report.c   what is printed
 *   text.c     members as they are stored, read strictly (for recount.c)
 */
#ifndef MU_CTL_FSCK_FSCK_H
#define MU_CTL_FSCK_FSCK_H

#include "ask.h"
#include "base/error.h"
#include "base/ids.h"
#include "ctl.h"
#include "registry/looks.h"

#define MU_KEY_BYTES 640 /* any key that is made of checked ids */

enum mu_mended { MU_MEND_NOT_TRIED, MU_MEND_DONE, MU_MEND_FAILED };

struct mu_finding {
    const struct mu_finding_info *info;
    char *key; /* with the namespace */
    char *what;
    enum mu_mended mended;
    char *note; /* why it could not be mended, or the text that was removed; may be NULL */
};

struct mu_fsck {
    struct mu_ctl *ctl;
    uint64_t limit; /* findings listed of one invariant; 0: all */
    struct mu_looks *looks;
    struct mu_finding *findings;
    size_t finding_count;
    uint64_t checked[MU_INVARIANTS + 1]; /* of the last pass, and events */
    uint64_t found[MU_INVARIANTS + 1];
    uint64_t mended;
    uint64_t standing;  /* not mended in the last pass */
    uint64_t skipped;   /* walks that were broken off */
    uint64_t unsettled; /* large sessions and holders that changed under every recount */
    unsigned passes;
    /* For the headline. */
    char generation[MU_ID_SIZE];
    int64_t sizes[3]; /* sessions, instances, ghosts */
};

/* The namespace's key, formatted. Returns out. */
char *mu_fsck_key(const struct mu_fsck *fsck, char out[MU_KEY_BYTES], const char *format, ...)
    MU_PRINTF(3, 4);
/* Counts a finding, mends it if that was asked for (`kind` and `name` say to muster_repair what;
 * NULL: nothing can be done), and keeps it if there is room. `key` without the namespace. */
void mu_fsck_found(struct mu_fsck *fsck, const struct mu_looks_finding *finding);
/* The same for what has nothing to be mended; `key` with the namespace. */
void mu_fsck_add(struct mu_fsck *fsck, const char *code, const char *key, const char *format, ...)
    MU_PRINTF(4, 5);

void mu_fsck_recount(struct mu_fsck *fsck, const char *session);
void mu_fsck_recount_held(struct mu_fsck *fsck);
void mu_fsck_stream(struct mu_fsck *fsck, uint64_t for_ms);
void mu_fsck_report(const struct mu_fsck *fsck);

#endif
