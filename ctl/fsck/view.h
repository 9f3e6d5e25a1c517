/* view.h - everything that belongs to one session, read within one MULTI. */
#ifndef MU_CTL_FSCK_VIEW_H
#define MU_CTL_FSCK_VIEW_H

#include "fsck/fsck.h"

/* More fields than this are not read by one HGETALL at the first look: it would hold up all other
 * clients. (A further look does: only one moment tells the truth, and it is rare.) */
#define MU_VIEW_WHOLE 5000
#define MU_VIEW_OWNERS 64

struct mu_view_member {
    struct mu_slice field;
    struct mu_member member;
    const char *wrong; /* NULL: `member` was read */
    uint32_t owner;    /* MU_NAME_NONE when wrong */
};

struct mu_view_candidate {
    struct mu_slice name;
    double rank;
};

struct mu_view_user {
    struct mu_slice user;
    uint64_t count; /* UINT64_MAX: no number */
};

/* What the same moment knows of an owner. */
struct mu_view_owner {
    uint32_t owner;
    bool live;
    bool eligible;
    bool ghost;
    bool leads_live;  /* the session is in the leads of the instance */
    bool leads_ghost; /* the session is in the leads of the ghost */
};

struct mu_view {
    uint32_t session;
    bool broken; /* a key of another type than it should have: nothing can be judged */
    bool exists;
    bool listed;
    double opened; /* the score in `sessions` */
    bool leaderless;
    struct mu_slice seq, leader, term, count, anonymous, gen, keep; /* at NULL: no such field */
    struct mu_slice unknown;                                        /* a #field of no meaning */
    struct mu_view_member *members;                                 /* in order of field */
    size_t member_count;
    struct mu_view_candidate *candidates; /* in order of name */
    size_t candidate_count;
    struct mu_view_user *users; /* in order of user */
    size_t user_count;
    struct mu_view_owner owners[MU_VIEW_OWNERS];
    size_t owner_count;
    redisReply **replies; /* what the slices point into */
    size_t reply_count;
};

/* Asks; mu_view_receive() with the same owners reads. Pipelined at will. */
void mu_view_send(struct mu_fsck *fsck, uint32_t session, const uint32_t *owners, size_t count);
/* False when the connection is lost; deinit in any case. */
bool mu_view_receive(struct mu_fsck *fsck, uint32_t session, const uint32_t *owners, size_t count,
                     struct mu_view *view);
/* In pages, over several moments; with no owners. */
bool mu_view_pages(struct mu_fsck *fsck, uint32_t session, struct mu_view *view);
void mu_view_deinit(struct mu_view *view);

const struct mu_view_member *mu_view_member(const struct mu_view *view, struct mu_slice field);
/* NULL: not asked for. */
const struct mu_view_owner *mu_view_owner(const struct mu_view *view, uint32_t owner);
/* The owners on which a judgement depends: the leader's, else those of all who may lead. At most
 * `room`. */
size_t mu_view_relevant(const struct mu_view *view, uint32_t *owners, size_t room);

/* Judges. With `settled` false the owners are those of the survey and leads are not known: what
 * depends on them is suspected in every way that it may be wrong. */
void mu_check_session(struct mu_fsck *fsck, const struct mu_view *view, bool settled,
                      struct mu_look *look);

#endif
