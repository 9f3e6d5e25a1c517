/* fsck.h - the checker: a first look at everything, then further looks at what seemed wrong.
 *
 * A namespace in use changes while it is read, so the first look (survey.c) only collects
 * *suspects*: objects of which something seems to break an invariant. Each is looked at again
 * (looks.c), by itself and within one MULTI, which sees one moment; what is still so in each of
 * three looks is a finding. So there is no false alarm, however busy the namespace is.
 *
 * A few states are allowed for a while, because a coordinator mends them in slices (leaderships of
 * a suspect instance, ghosts that are due): their codes *wait*, and are findings only if they are
 * still so, without any progress, when the patience is over.
 *
 *   survey.c  the first look         looks.c   the others
 *   keys.c    which keys there are   report.c  what is printed
 *   view.c    one session, read      session.c instance.c pair.c global.c  judge one object
 *   stream.c  the events, with --watch
 */
#ifndef MU_CTL_FSCK_FSCK_H
#define MU_CTL_FSCK_FSCK_H

#include "ask.h"
#include "base/buffer.h"
#include "ctl.h"
#include "fsck/codes.h"
#include "fsck/names.h"
#include "fsck/pairs.h"
#include "fsck/text.h"

#define MU_KEY_BYTES 512 /* any key that is made of checked ids */

enum mu_unit_kind {
    MU_UNIT_GLOBAL,   /* lease, epoch, clock, config, quarantine */
    MU_UNIT_KEY,      /* a: number in `raw` of the whole key */
    MU_UNIT_ENTRY,    /* a: enum mu_container, b: number in `raw`, c: owner where it is leads */
    MU_UNIT_SESSION,  /* a: session, b: an owner whose leads name it, or MU_NAME_NONE */
    MU_UNIT_INSTANCE, /* a: instance */
    MU_UNIT_GHOST,    /* a: owner */
    MU_UNIT_PAIR,     /* a: session, b: owner, c: connection */
    MU_UNIT_RECORD,   /* a: owner, b: connection */
};

/* What one look is about. */
struct mu_unit {
    enum mu_unit_kind kind;
    uint32_t a, b, c;
};

struct mu_suspect {
    struct mu_unit unit;
    uint64_t codes; /* seen in every look so far */
    uint64_t stamp; /* moves as long as somebody is mending */
};

struct mu_finding {
    enum mu_code code;
    char *key;
    char *what;
};

/* What one look at one unit saw. */
struct mu_look {
    uint64_t codes;
    uint64_t stamp;
    bool moved;    /* it changed under the look: look again */
    bool verbose;  /* keep texts */
    uint64_t keep; /* of these codes only */
    struct mu_finding *findings;
    size_t count;
};

/* One incarnation of an instance, registered or a ghost. */
struct mu_owner {
    uint32_t instance;
    struct mu_slice incarnation; /* in the text of `owners` */
    bool live;                   /* the registered incarnation */
    bool eligible;
    bool ghost; /* stands in `ghosts` or has keys of a ghost */
};

struct mu_instance {
    bool listed;
    uint32_t owner; /* of its present incarnation; MU_NAME_NONE: not known */
};

struct mu_session {
    uint32_t leader_owner; /* by the first look; MU_NAME_NONE: nobody leads, or not known */
    bool in_leads;
};

struct mu_fsck {
    struct mu_ctl *ctl;
    int64_t now; /* Redis's time at the beginning of the present look */
    struct mu_names session_names;
    struct mu_names instance_names;
    struct mu_names owner_names; /* "<instance>:<incarnation>" */
    struct mu_names connection_names;
    struct mu_names raw;         /* whole keys, and entries that are no ids */
    struct mu_session *sessions; /* as many as names */
    uint32_t sessions_capacity;
    struct mu_instance *instances;
    uint32_t instances_capacity;
    struct mu_owner *owners;
    uint32_t owners_capacity;
    struct mu_pairs pairs;
    struct mu_suspect *suspects;
    size_t suspect_count;
    size_t suspect_capacity;
    uint64_t checked[MU_INVARIANTS + 1];
    uint64_t found[MU_INVARIANTS + 1];
    struct mu_finding *findings;
    size_t finding_count;
    /* For the headline. */
    char *generation;
    uint64_t connections;
    uint64_t members;
    uint32_t ghosts;
};

/* Numbers of ids; the arrays grow with them. */
uint32_t mu_fsck_session(struct mu_fsck *fsck, const char *id, size_t length);
uint32_t mu_fsck_instance(struct mu_fsck *fsck, const char *id, size_t length);
/* From "<instance>:<incarnation>", both valid ids; MU_NAME_NONE when they are not. */
uint32_t mu_fsck_owner(struct mu_fsck *fsck, const char *name, size_t length);
uint32_t mu_fsck_owner_of(struct mu_fsck *fsck, struct mu_slice instance,
                          struct mu_slice incarnation);

/* The namespace's key, formatted. Returns out. */
char *mu_fsck_key(const struct mu_fsck *fsck, char out[MU_KEY_BYTES], const char *format, ...)
    MU_PRINTF(3, 4);

/* Notes that `code` is so. `key` and the formatted text are kept if the look is verbose. */
void mu_look_found(struct mu_look *look, enum mu_code code, const char *key, const char *format,
                   ...) MU_PRINTF(4, 5);
void mu_look_deinit(struct mu_look *look);

/* A suspect of the first look; nothing happens when `codes` is 0. */
void mu_fsck_suspect(struct mu_fsck *fsck, struct mu_unit unit, uint64_t codes, uint64_t stamp);
/* Adds a finding that needs no further look. */
void mu_fsck_add(struct mu_fsck *fsck, enum mu_code code, const char *key, const char *format, ...)
    MU_PRINTF(4, 5);

/* The steps, in their order. Each returns at once when the connection is lost. */
void mu_fsck_survey(struct mu_fsck *fsck);
void mu_fsck_keys(struct mu_fsck *fsck);
void mu_fsck_looks(struct mu_fsck *fsck);
void mu_fsck_stream(struct mu_fsck *fsck, uint64_t for_ms);
void mu_fsck_report(const struct mu_fsck *fsck);

/* Judges of one unit, by one atomic look each; used by the first look, too. */
void mu_check_global(struct mu_fsck *fsck, struct mu_look *look);
void mu_check_key(struct mu_fsck *fsck, struct mu_unit unit, struct mu_look *look);
void mu_check_entry(struct mu_fsck *fsck, struct mu_unit unit, struct mu_look *look);
void mu_check_instance(struct mu_fsck *fsck, struct mu_unit unit, struct mu_look *look);
void mu_check_ghost(struct mu_fsck *fsck, struct mu_unit unit, struct mu_look *look);
void mu_check_record(struct mu_fsck *fsck, struct mu_unit unit, struct mu_look *look);
/* In two halves, for pipelining. */
void mu_pair_send(struct mu_fsck *fsck, struct mu_unit unit);
void mu_pair_receive(struct mu_fsck *fsck, struct mu_unit unit, struct mu_look *look);

/* A key as keys.c understands it. */
enum mu_container {
    MU_IN_SESSIONS,
    MU_IN_INSTANCES,
    MU_IN_GHOSTS,
    MU_IN_BURIED,
    MU_IN_LEADERLESS,
    MU_IN_DEADLINES,
    MU_IN_LEADS
};

/* The type that a key of the model has; NULL when the model knows no such key. `key` without the
 * namespace. What it belongs to is noted in the pictures when `fsck` is not NULL. */
const char *mu_key_type(struct mu_fsck *fsck, const char *key, size_t length);

#endif
