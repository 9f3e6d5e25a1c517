/* model.h - muster as docs say it works, in plain loops over plain arrays.
 *
 * It shares nothing with the functions library: no code, no formats, no order of doing things. What
 * the functions store twice (counts, candidates, users, leads, leaderless) it derives. It is meant
 * to be obviously right, not fast. A state is a plain value: assigning it copies it.
 *
 * Texts in a state are kept by `texts` and live as long as that; two equal texts need not be one
 * pointer. NULL is "none".
 */
#ifndef PM_MODEL_H
#define PM_MODEL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "muster/status.h"

enum {
    PM_INSTANCES = 8,
    PM_GHOSTS = 64,
    PM_BURIED = 256,
    PM_RECORDS = 256,
    PM_SESSIONS = 12,
    PM_MEMBERS = 48,
    PM_EVENTS = 512,
    PM_ARGUMENTS = 16,
};

struct pm_texts;

struct pm_instance {
    const char *id;
    const char *incarnation;
    const char *meta;
    bool suspect;
    bool draining;
    long long rate; /* 0: it does not drain at a rate, and what follows means nothing */
    long long notice;
    long long told;
    long long rounds;
    long long told_until;
    const char *told_last; /* connection; NULL: between rounds */
    bool secrets;          /* any connection ever had a resume secret */
    long long started_at;
    long long score;
    long long alive_until;
};

struct pm_ghost {
    const char *id;
    const char *incarnation;
    const char *reason;
    long long due;
};

struct pm_buried {
    const char *id;
    const char *incarnation;
    long long at;
};

/* A connection, of a live incarnation or of a ghost. Records keep their place: one whose connection
 * is NULL is free. */
struct pm_record {
    const char *instance;
    const char *incarnation;
    const char *connection;
    const char *user;
    const char *holder; /* of the quota it counts for */
    bool passed_on;     /* a membership was adopted: the others still count, the connection not */
    const char *profile;
    const char *secret;  /* in clear: only the functions keep a hash */
    const char *resumed; /* <instance>:<incarnation>/<connection> that it took over */
    long long connected_at;
    long long ttl;   /* 0: none */
    long long until; /* end of the grace while away, else 0 */
    long long ends;  /* end of ttl or grace, 0: none */
    bool away;
    const char *sessions[PM_SESSIONS];
    size_t session_count;
};

struct pm_member {
    const char *connection;
    const char *instance;
    const char *incarnation;
    const char *user;
    const char *profile;
    long long joined_at;
    long long rank;
    int priority;
    bool never_leads;
    bool away;
};

struct pm_session {
    const char *id;
    const char *generation;
    const char *leader; /* connection */
    const char *meta;
    long long seq;
    long long term;
    long long opened_at;
    long long limit; /* 0: none */
    bool keep;
    struct pm_member members[PM_MEMBERS];
    size_t count;
};

struct pm_state {
    struct pm_texts *texts;
    long long now;    /* ms */
    long long latest; /* the latest time that ever was: clocks are set back, too */
    long long clock;
    long long epoch;
    /* The lease; holder NULL: none was ever taken, or it was released. */
    const char *holder;
    const char *nonce;
    const char *advertise;
    long long lease_epoch;
    long long renewals;
    long long lease_until;
    /* The settings; generation NULL: nobody has rotated yet. */
    const char *generation;
    const char *run;
    const char *confirmed; /* generation; NULL after the library was loaded anew */
    bool must_rotate;      /* the data may be older: no coordinator would confirm it */
    long long heartbeat_ms;
    long long suspect_after_ms;
    long long resume_grace_ms;
    long long profile_limit;
    long long sessions_limit;
    long long grace_limit;

    struct pm_instance instances[PM_INSTANCES];
    size_t instance_count;
    struct pm_ghost ghosts[PM_GHOSTS];
    size_t ghost_count;
    struct pm_buried buried[PM_BURIED];
    size_t buried_count;
    struct pm_record records[PM_RECORDS];
    size_t record_count;
    struct pm_session sessions[PM_SESSIONS];
    size_t session_count;
};

/* One call of a function. */
struct pm_call {
    const char *function; /* without muster_ */
    const char *arguments[PM_ARGUMENTS];
    size_t count;
};

struct pm_event {
    char channel[160];
    json_t *payload;
};

/* What a call did, or what the model says it must do. */
struct pm_outcome {
    /* One bit for each code that may be the answer, 1 << enum muster_status; 0: success. Where
     * several reasons to refuse meet, any of them will do. */
    uint64_t refusals;
    json_t *reply;
    struct pm_event events[PM_EVENTS];
    size_t event_count;
};

void pm_outcome_clear(struct pm_outcome *outcome);

struct pm_texts *pm_texts_create(void);
void pm_texts_free(struct pm_texts **texts);
const char *pm_keep(struct pm_state *state, const char *text);

/* An empty namespace at `now`. */
void pm_state_init(struct pm_state *state, struct pm_texts *texts, long long now);

/* Does the call to the state. `seen` is what the functions answered: where the extent of a slice is
 * theirs to choose, the model follows it and writes to `illegal` (of `size` bytes) if they chose
 * what they must not. `lines` is the real data afterwards (view.h), sorted. */
struct pm_seen {
    const struct pm_outcome *outcome;
    char *const *lines;
    size_t line_count;
    char *illegal;
    size_t size;
};
void pm_apply(struct pm_state *state, const struct pm_call *call, const struct pm_seen *seen,
              struct pm_outcome *outcome);

/* Look-ups. NULL when there is none. */
bool pm_same(const char *a, const char *b); /* NULL equals only NULL */
struct pm_instance *pm_instance(struct pm_state *state, const char *id);
bool pm_live(struct pm_state *state, const char *id, const char *incarnation);
struct pm_ghost *pm_ghost(struct pm_state *state, const char *id, const char *incarnation);
bool pm_is_buried(const struct pm_state *state, const char *id, const char *incarnation);
struct pm_record *pm_record(struct pm_state *state, const char *instance, const char *incarnation,
                            const char *connection);
size_t pm_record_total(const struct pm_state *state, const char *instance, const char *incarnation);
struct pm_session *pm_session(struct pm_state *state, const char *id);
struct pm_member *pm_member(struct pm_session *session, const char *connection);
bool pm_candidate(const struct pm_member *member);
bool pm_eligible(struct pm_state *state, const struct pm_member *member);
size_t pm_user_connections(const struct pm_session *session, const char *user);
size_t pm_led_by(struct pm_state *state, const char *instance, const char *incarnation);
/* What a holder has, in connections and in memberships of them. */
struct pm_held {
    long long connections;
    long long sessions;
};
struct pm_held pm_held(const struct pm_state *state, const char *holder);
bool pm_lease_stands(const struct pm_state *state);
/* A member as delivered; the caller frees it. */
char *pm_member_text(const struct pm_member *member);

#endif
