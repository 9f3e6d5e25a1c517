/* digest.h - what a follower needs of an event, of a reply and of a session's snapshot. */
#ifndef MU_SIM_DIGEST_H
#define MU_SIM_DIGEST_H

#include <hiredis/hiredis.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*      constant         name on the wire */
#define MU_EVENT_TABLE(X)                                                                          \
    X(MEMBER_JOINED, "member.joined")                                                              \
    X(MEMBER_LEFT, "member.left")                                                                  \
    X(MEMBER_UPDATED, "member.updated")                                                            \
    X(MEMBER_AWAY, "member.away")                                                                  \
    X(MEMBER_RESUMED, "member.resumed")                                                            \
    X(LEADER_CHANGED, "leader.changed")                                                            \
    X(RESYNC, "resync")

enum mu_event_kind {
    MU_EVENT_OTHER, /* also everything that is no event of a session */
#define MU_EVENT_ENUM(constant, name) MU_EVENT_##constant,
    MU_EVENT_TABLE(MU_EVENT_ENUM)
#undef MU_EVENT_ENUM
};

/* All texts are borrowed from whoever made the digest; "" when the field is not there. */
struct mu_event {
    enum mu_event_kind kind;
    const char *name; /* of the event, as published */
    const char *session;
    const char *gen;
    const char *connection; /* of whom it tells, member.joined included */
    const char *instance;
    const char *incarnation;
    const char *reason;
    const char *leader;     /* "": null, or not there */
    const char *previous;   /* "": null, or not there */
    const char *generation; /* of generation.changed */
    uint64_t seq;
    uint64_t term;
    uint64_t count;
    bool closed;
    json_t *root; /* owned: mu_event_release() */
};

/* False, with nothing to release, when it is no JSON object. */
bool mu_event_read(const char *text, size_t length, struct mu_event *event);
void mu_event_release(struct mu_event *event);

/* A session as a snapshot or a reply of ENTER, JOIN or LEAVE shows it. Texts are borrowed. */
struct mu_view {
    bool exists;
    const char *gen;    /* "": not told */
    const char *leader; /* "": nobody */
    uint64_t seq;
    uint64_t term;
    uint64_t count;
};

/* The reply of HGETALL on a session's key; false when it is no such thing. */
bool mu_view_read_hash(const redisReply *reply, struct mu_view *view);
/* The parsed reply of a call, whose `leader`, `seq`, `term` and `count` it has. */
void mu_view_read_reply(const json_t *reply, struct mu_view *view);

#endif
