/* types.h - what plugins and the daemon say to each other: operations, actions, principals,
 * credentials, decisions, results.
 *
 * All texts are borrowed: whoever passes one keeps it, and it is valid during the call only, unless
 * a line says otherwise. Texts with a length may hold any byte but are NUL-terminated too.
 * Times are milliseconds.
 */
#ifndef MUSTER_TYPES_H
#define MUSTER_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "muster/status.h"

#ifdef __cplusplus
extern "C" {
#endif

struct muster_text {
    const char *data; /* NUL-terminated at data[length] */
    size_t length;
};

/* ---- actions: what is asked of an authorizer ---- */

/*      name                  on the wire            covers */
#define MUSTER_ACTION_TABLE(X)                                                                     \
    X(INSTANCE_START, "instance.start", "START HEARTBEAT STOP")                                    \
    X(INSTANCE_DRAIN, "instance.drain", "DRAIN")                                                   \
    X(CONNECTION_REGISTER, "connection.register", "REGISTER UPDATE TOUCH DISCONNECT UNREGISTER")   \
    X(CONNECTION_RESUME, "connection.resume", "RESUME")                                            \
    X(SESSION_ENTER, "session.enter", "ENTER JOIN LEAVE")                                          \
    X(SESSION_LEAD, "session.lead", "asked at ENTER and JOIN; denied: it joins with lead:false")   \
    X(SESSION_PROMOTE, "session.promote", "PROMOTE")                                               \
    X(SESSION_KICK, "session.kick", "KICK")                                                        \
    X(SESSION_CONFIGURE, "session.configure", "CONFIGURE")                                         \
    X(SESSION_READ, "session.read", "MEMBERS USERS COUNT ISMEMBER LEADER CHECK SESSION")           \
    X(EVENTS_SUBSCRIBE, "events.subscribe", "subscriptions to event channels")                     \
    X(ADMIN, "admin", "SESSIONS CONNECTION INSTANCE INSTANCES STATUS and overrides")

enum muster_action {
#define MUSTER_ACTION_ENUM(name, text, covers) MUSTER_ACTION_##name,
    MUSTER_ACTION_TABLE(MUSTER_ACTION_ENUM)
#undef MUSTER_ACTION_ENUM
        MUSTER_ACTIONS /* their number */
};

/* ---- operations ---- */

/* The arguments of an operation, one letter each: what decoding checks.
 *   s session   c connection   i instance   n incarnation       ids
 *   C connection to be resumed   w its <instance>:<incarnation>  r resume secret
 *   o options   p profile   m meta                               JSON objects, or empty
 *   t term   g milliseconds   k cursor   z count                 whole numbers
 *   x on|off   d detail (text)   * the one before, repeated
 *
 *      name     arguments  least   action              writes  usage */
#define MUSTER_OPERATION_TABLE(X)                                                                  \
    X(START, "inm", 2, INSTANCE_START, true, "instance incarnation [meta]")                        \
    X(HEARTBEAT, "in", 2, INSTANCE_START, true, "instance incarnation")                            \
    X(DRAIN, "inxo", 3, INSTANCE_DRAIN, true, "instance incarnation on|off [options]")             \
    X(STOP, "in", 2, INSTANCE_START, true, "instance incarnation")                                 \
    X(REGISTER, "cinop", 3, CONNECTION_REGISTER, true,                                             \
      "connection instance incarnation [options [profile]]")                                       \
    X(UPDATE, "cinp", 4, CONNECTION_REGISTER, true, "connection instance incarnation profile")     \
    X(TOUCH, "inc*", 3, CONNECTION_REGISTER, true, "instance incarnation connection...")           \
    X(DISCONNECT, "cing", 3, CONNECTION_REGISTER, true, "connection instance incarnation [grace]") \
    X(RESUME, "cinCwrop", 6, CONNECTION_RESUME, true,                                              \
      "connection instance incarnation old old_instance:old_incarnation secret "                   \
      "[options [profile]]")                                                                       \
    X(UNREGISTER, "cin", 3, CONNECTION_REGISTER, true, "connection instance incarnation")          \
    X(ENTER, "scinop", 4, SESSION_ENTER, true,                                                     \
      "session connection instance incarnation [options [profile]]")                               \
    X(JOIN, "scino", 4, SESSION_ENTER, true, "session connection instance incarnation [options]")  \
    X(LEAVE, "scin", 4, SESSION_ENTER, true, "session connection instance incarnation")            \
    X(PROMOTE, "sct", 2, SESSION_PROMOTE, true, "session connection [expected_term]")              \
    X(KICK, "scd", 2, SESSION_KICK, true, "session connection [detail]")                           \
    X(CONFIGURE, "som", 2, SESSION_CONFIGURE, true, "session options [meta]")                      \
    X(MEMBERS, "skz", 1, SESSION_READ, false, "session [cursor count]")                            \
    X(USERS, "skz", 1, SESSION_READ, false, "session [cursor count]")                              \
    X(COUNT, "s*", 1, SESSION_READ, false, "session...")                                           \
    X(ISMEMBER, "sc", 2, SESSION_READ, false, "session connection")                                \
    X(LEADER, "s", 1, SESSION_READ, false, "session")                                              \
    X(CHECK, "st", 2, SESSION_READ, false, "session term")                                         \
    X(SESSION, "s", 1, SESSION_READ, false, "session")                                             \
    X(SESSIONS, "kz", 0, ADMIN, false, "[cursor count]")                                           \
    X(CONNECTION, "ci", 1, ADMIN, false, "connection [instance]")                                  \
    X(INSTANCE, "i", 1, ADMIN, false, "instance")                                                  \
    X(INSTANCES, "", 0, ADMIN, false, "")                                                          \
    X(STATUS, "", 0, ADMIN, false, "")                                                             \
    X(ORDER, "din", 1, ADMIN, true,                                                                \
      "bury|reap|brake-release|step-down|flush-decisions [instance|daemon [incarnation]]")

enum muster_operation {
#define MUSTER_OPERATION_ENUM(name, arguments, least, action, writes, usage)                       \
    MUSTER_OPERATION_##name,
    MUSTER_OPERATION_TABLE(MUSTER_OPERATION_ENUM)
#undef MUSTER_OPERATION_ENUM
        MUSTER_OPERATIONS /* their number */
};

struct muster_operation_info {
    const char *name;      /* "ENTER" */
    const char *arguments; /* the letters of the table */
    size_t least;          /* arguments */
    size_t most;           /* arguments; MUSTER_ARGUMENTS_MAX where they repeat */
    enum muster_action action;
    bool writes;
    const char *usage;
};

#define MUSTER_ARGUMENTS_MAX 1024

/* ---- who asks ---- */

enum muster_principal_kind {
    MUSTER_PRINCIPAL_ANONYMOUS, /* no authenticator knew the credentials, or there were none */
    MUSTER_PRINCIPAL_INSTANCE,  /* a backend */
    MUSTER_PRINCIPAL_USER,      /* an end user */
    MUSTER_PRINCIPAL_OPERATOR,  /* a person or a tool that runs the cluster */
};

struct muster_principal {
    const char *id; /* 1 to 256 bytes, no control characters; "anonymous" for an anonymous one */
    enum muster_principal_kind kind;
    const char *instance; /* bound to this instance: it may name no other; NULL: not bound */
    const char *claims;   /* a JSON object, or NULL */
    const char *const *roles;
    size_t role_count;
    uint64_t expires_at; /* Unix time in ms; 0: never */
};

enum muster_purpose {
    MUSTER_PURPOSE_CALLER,   /* who calls: the token of a message, AUTH, a client certificate */
    MUSTER_PURPOSE_END_USER, /* the `credential` of the options of REGISTER, ENTER and RESUME */
};

/* Never logged, stored or published. The host wipes its copies after use. */
struct muster_credentials {
    enum muster_purpose purpose;
    struct muster_text user;    /* data NULL when there is none */
    struct muster_text token;   /* data NULL when there is none */
    const char *certificate;    /* subject of a verified client certificate, or NULL */
    const char *peer;           /* address of the peer as text, or NULL */
    const char *transport;      /* name of the plugin that asks */
    const char *requested_user; /* END_USER: `user` of the same options, or NULL */
};

/* ---- decisions ---- */

enum muster_verdict {
    MUSTER_ALLOW,
    MUSTER_DENY,
    MUSTER_DEFER, /* no opinion: the next of the chain is asked */
    MUSTER_LATER, /* only as a return value: host->decide() will be called with the handle */
};

/* Stands for one question to one plugin. Single-use, checked by generation: deciding twice, too
 * late, or after the request is gone is counted and does nothing. Copied freely. */
struct muster_handle {
    uint32_t slot;
    uint32_t generation;
};

/* What the question is about; NULL where the operation names none. */
struct muster_resource {
    const char *operation;  /* "ENTER"; NULL for a subscription */
    const char *session;    /* or the event channel: "instances", "coordinator" */
    const char *connection; /* of the request; of TOUCH the first */
    const char *instance;
    const char *incarnation;
    const char *user;    /* that the connection will have, after its credential was verified */
    const char *claims;  /* of the end user, JSON, or NULL */
    const char *resumed; /* RESUME: the old connection */
};

struct muster_decision {
    enum muster_verdict verdict; /* ALLOW, DENY or DEFER */
    /* DENY: a sentence for the caller, at most 200 bytes; NULL: none. Never a credential. */
    const char *reason;
    /* How long the same answer may be given again without asking, per (principal, action,
     * resource, claims); 0: ask each time. */
    uint64_t cache_ms;
    /* MUSTER_PURPOSE_CALLER, ALLOW: who it is. Copied by the host. */
    const struct muster_principal *principal;
    /* MUSTER_PURPOSE_END_USER, ALLOW: the user of the connection (an id; NULL: as requested) and
     * claims that later questions of this request carry (a JSON object, or NULL). Copied. */
    const char *user;
    const char *claims;
    /* DENY: the code that the caller gets: DENIED, UNAUTHENTICATED or RATE_LIMITED. 0: DENIED,
     * UNAUTHENTICATED for an authenticator. */
    enum muster_status code;
    /* Since ABI 1.1. An authorizer's ALLOW of REGISTER, ENTER, JOIN and RESUME: how many
     * connections the holder may have, and in how many sessions all of them together may be; 0: no
     * bound. Redis counts, in the step that would exceed it: RATE_LIMITED. The holder is an id
     * (NULL: the principal's id, if it is one). */
    const char *quota_holder;
    uint32_t quota_connections;
    uint32_t quota_sessions;
};

/* ---- answers ---- */

struct muster_result {
    enum muster_status status;
    const char *json; /* on MUSTER_OK: an object, a list or a number; NUL-terminated */
    size_t length;
    const char *message; /* otherwise: a sentence */
    bool retry;          /* may the very same request succeed later? */
};

/* A message of a channel of the namespace. */
struct muster_event {
    const char *channel; /* without "{<namespace>}:", e.g. "events:session:room-1" */
    const char *payload; /* JSON as published */
    size_t length;
    const char *pattern; /* since ABI 1.1: by which it came; NULL: by its channel */
};

#ifdef __cplusplus
}
#endif
#endif
