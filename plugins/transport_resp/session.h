/* session.h - one connection as far as it is protocol: what a client sent, what it is answered, who
 * it is, what it subscribed.
 *
 * Whoever owns a session feeds it bytes and sends what lies in `out`. The session says through
 * `wake` that the owner should look at it soon; it never calls back otherwise, and it is never
 * freed but by its owner.
 */
#ifndef RESP_SESSION_H
#define RESP_SESSION_H

#include "door.h"
#include "out.h"
#include "parse.h"

#define RESP_TURN 64            /* requests of one session before others have their turn */
#define RESP_NAME_MAX 256       /* bytes of CLIENT SETNAME and the like */
#define RESP_LIFELINES_MAX 1024 /* instances that live on one socket */

enum resp_ending {
    RESP_OPEN,
    RESP_FLUSHING, /* reads no more; over when all is answered and sent */
    RESP_OVER,     /* close it now */
};

/* What the host is asked: the context of its answer. First member of who asks. */
enum resp_ask_kind { RESP_ASK_OPERATION, RESP_ASK_METRICS, RESP_ASK_SUBSCRIPTION };
struct resp_ask {
    enum resp_ask_kind kind;
    struct resp_session *session;
    uint64_t id; /* of the host, for cancel(); 0: nothing is asked */
};

/* Who an instance is, of a START, HEARTBEAT or STOP under way. */
struct resp_who {
    char *instance, *incarnation;
};

/* One reply that is due, in the order of the requests. */
struct resp_slot {
    struct resp_ask ask;
    struct resp_slot *next;
    bool done; /* `reply` is whole, and waits for those before it */
    struct resp_out reply;
    const struct muster_operation_info *operation; /* NULL: none */
    struct resp_who who;
};

enum resp_identity_stage {
    RESP_NOT_ASKED,
    RESP_ASKED_CERTIFICATE,
    RESP_ASKED_AUTH,
    RESP_ASKED_HELLO
};

struct resp_session {
    struct resp_door *door;
    struct resp_session *next, **link; /* of the door's list */
    uint64_t id;
    uint64_t born_at, asked_at; /* host->now_ms; asked_at: the last whole request */
    char peer[80];              /* for audit lines */
    char address[48];           /* without a port; "unix" */
    void (*wake)(void *context);
    void *context;

    struct resp_parser parser;
    char *kept;       /* bytes that came and were not looked at yet; NULL: none */
    char *bytes;      /* the next of them: in `kept`, or in what is being fed */
    size_t left;      /* of bytes */
    size_t kept_size; /* of kept, to wipe it */
    bool held;        /* the parser's request waits until all before it is answered */
    bool partial;     /* a request was begun and is not whole */
    bool asked;       /* there was a whole request */
    bool paused;      /* at max_pending, counted */
    enum resp_ending ending;
    bool slow; /* closed because it did not read */

    struct resp_out out;
    size_t handed;  /* bytes that the owner took from `out` and the system did not yet take */
    size_t counted; /* of the backlog, in the door's count */
    struct resp_slot *first, **last; /* slots */
    size_t slots;              /* all of them: an immediate reply behind others takes memory, too */
    size_t pending;            /* slots not done */
    struct resp_slot *written; /* an immediate reply that `stored` does not count yet */
    size_t stored;             /* bytes in slots that are done */

    struct muster_caller *caller; /* NULL: anonymous */
    struct resp_bucket *bucket;   /* rate.c; NULL: not yet looked up */
    char *certificate;            /* verified subject, or NULL */
    enum resp_identity_stage identity;
    uint64_t identity_id; /* of the host, while it is asked */
    int hello_protocol;   /* that HELLO asked for, while its AUTH is under way */
    char *hello_name;     /* SETNAME of it, or NULL */

    char *name, *library, *library_version; /* of CLIENT; NULL: none */

    struct resp_group *group; /* subscriptions that are not confirmed yet; or NULL */
    struct resp_subscription *subscriptions;
    size_t channels, patterns;

    struct resp_lifeline *lifelines;
    size_t lifeline_count;
};

/* ---- for the owner ---- */

/* `address`: the bare IP address, or "unix"; `peer`: with what audit lines want. */
struct resp_session *resp_session_create(struct resp_door *door, const char *address,
                                         const char *peer, void (*wake)(void *context),
                                         void *context);
/* Cancels what is under way. Clears the pointer. */
void resp_session_destroy(struct resp_session **session);

/* TLS has verified a client certificate: the authenticators are asked before anything is looked at.
 */
void resp_session_certify(struct resp_session *session, const char *subject);

/* Takes all of it. What cannot be looked at now is kept: the owner stops reading while
 * resp_session_reads() is false, so that this is no more than one read. Overwrites `data`: any
 * request may hold a secret. */
void resp_session_feed(struct resp_session *session, char *data, size_t length);
/* Looks at what was kept: at most RESP_TURN requests. */
void resp_session_run(struct resp_session *session);
/* Has resp_session_run() something to do? */
bool resp_session_runnable(const struct resp_session *session);
bool resp_session_reads(const struct resp_session *session);
/* May it be closed now? */
bool resp_session_over(const struct resp_session *session);
/* `count` bytes of `out` went to the owner, who has now `handed` bytes that are not sent. */
void resp_session_sent(struct resp_session *session, size_t count, size_t handed);
/* The peer ended or broke the connection: lifelines are told. Nothing is sent any more. */
void resp_session_hung_up(struct resp_session *session);
/* The door stops: no more requests, what is under way is answered. */
void resp_session_finish(struct resp_session *session);
/* The time for that is over: the rest is answered TIMEOUT. */
void resp_session_abandon(struct resp_session *session);

/* ---- for the other files ---- */

/* Something changed that the owner should see: output, an ending, more to run. */
void resp_session_wake(struct resp_session *session);
/* Where the reply to the present request goes. */
struct resp_out *resp_session_reply(struct resp_session *session);
/* Reads no more; over when all is answered and sent. */
void resp_session_close(struct resp_session *session);
/* Says it, then closes. */
void resp_session_break(struct resp_session *session, const char *code, const char *message);
size_t resp_session_backlog(const struct resp_session *session);
/* RESP2 with subscriptions: few commands are allowed. */
bool resp_session_restricted(const struct resp_session *session);

/* ---- slots.c: replies in the order of requests ---- */

struct resp_slot *resp_slot_add(struct resp_session *session, enum resp_ask_kind kind);
/* Where its reply is written: straight into `out` when it is its turn. */
struct resp_out *resp_slot_out(struct resp_slot *slot);
/* The reply is whole. Sends on what waited for it; frees the slot. */
void resp_slot_done(struct resp_slot *slot);
/* An immediate reply behind those that are under way. */
struct resp_out *resp_slot_add_reply(struct resp_session *session);
/* Counts it, once it is written. */
void resp_slots_settle(struct resp_session *session);
/* Cancels and frees all. */
void resp_slots_clear(struct resp_session *session);

/* ---- requests.c ---- */

void resp_submit(struct resp_session *session, const struct muster_operation_info *operation,
                 const struct muster_text *arguments, size_t count);
void resp_submit_metrics(struct resp_session *session);
/* Who is it? `user` or `token` may have no data. The answer is given by connection.c. */
void resp_identify(struct resp_session *session, enum resp_identity_stage stage,
                   struct muster_text user, struct muster_text token);

/* ---- connection.c ---- */

/* The authenticators have answered AUTH or HELLO. */
void resp_identified(struct resp_session *session, enum resp_identity_stage stage,
                     enum muster_status status, const char *message);

/* ---- commands.c ---- */

enum resp_command_flags {
    RESP_ALONE = 1,      /* waits until all before it is answered */
    RESP_RESTRICTED = 2, /* allowed in RESP2's subscribe mode */
    RESP_RATED = 4,      /* counts for `rate` */
};

struct resp_command {
    const char *name;
    size_t least, most; /* arguments without the name; most 0 and least 0: none */
    unsigned flags;
    void (*run)(struct resp_session *session, const struct muster_text *arguments, size_t count);
    const char *usage, *summary;
};

extern const struct resp_command resp_commands[];
extern const size_t resp_command_count;

/* NULL: no such command of the connection. */
const struct resp_command *resp_command_find(const struct muster_text *name);
void resp_operations_index(struct resp_door *door);
const struct muster_operation_info *resp_operation_find(const struct resp_door *door,
                                                        const struct muster_text *name);
/* The parser's request; returns false when it must wait (held). */
bool resp_dispatch(struct resp_session *session);

/* One function a command: arguments without its name. */
#define RESP_COMMAND(name)                                                                         \
    void resp_##name(struct resp_session *session, const struct muster_text *arguments,            \
                     size_t count)
RESP_COMMAND(acl);
RESP_COMMAND(auth);
RESP_COMMAND(client);
RESP_COMMAND(command);
RESP_COMMAND(config);
RESP_COMMAND(echo);
RESP_COMMAND(hello);
RESP_COMMAND(help);
RESP_COMMAND(info);
RESP_COMMAND(metrics);
RESP_COMMAND(ping);
RESP_COMMAND(psubscribe);
RESP_COMMAND(punsubscribe);
RESP_COMMAND(quit);
RESP_COMMAND(reset);
RESP_COMMAND(select);
RESP_COMMAND(subscribe);
RESP_COMMAND(unsubscribe);
/* -BAD_REQUEST for arguments that make no sense. */
void resp_bad(struct resp_session *session, const char *format, ...) MUSTER_PRINTF(2, 3);

/* ---- subscribe.c ---- */

void resp_group_authorized(struct resp_ask *ask, enum muster_status status, const char *message);
/* Cancels it. */
void resp_group_drop(struct resp_session *session);
/* Clients wait no longer for what Redis does not confirm. Now and then. */
void resp_groups_sweep(struct resp_door *door);

/* ---- topics.c: who hears which channel ---- */

struct resp_topic;

struct resp_subscription {
    struct resp_session *session;
    struct resp_subscription *next, **link;          /* of the session */
    struct resp_subscription *beside, **beside_link; /* of the topic */
    struct resp_topic *topic;
    bool pattern;
    bool confirmed; /* told to the client: messages go out from then on */
    char *name;     /* as the client says it */
};

/* False: it is subscribed already. `channel`: the host's name of it. */
bool resp_topics_add(struct resp_session *session, bool pattern, const char *name,
                     const char *channel);
/* All subscriptions of the session are confirmed. */
void resp_topics_confirm(struct resp_session *session);
/* False: it is not subscribed. */
bool resp_topics_remove(struct resp_session *session, bool pattern, const char *name);
void resp_topics_remove_all(struct resp_session *session);

/* ---- lifelines.c: whose death the end of a socket is ---- */

/* START or HEARTBEAT was answered: this session is the lifeline of that incarnation. */
void resp_lifeline_take(struct resp_session *session, const char *instance,
                        const char *incarnation);
/* STOP was answered. */
void resp_lifeline_end(struct resp_door *door, const char *instance, const char *incarnation);
/* The peer is gone: tells the coordinator. */
void resp_lifelines_cut(struct resp_session *session);
/* Gives them up silently. */
void resp_lifelines_drop(struct resp_session *session);

/* ---- rate.c ---- */

/* Takes one request out of the principal's bucket. False: it has none. */
bool resp_rate_take(struct resp_session *session);
/* Another principal: another bucket. */
void resp_rate_leave(struct resp_session *session);
/* Forgets the buckets that nobody uses and that are full again. Now and then. */
void resp_rate_sweep(struct resp_door *door);

#endif
