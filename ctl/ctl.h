/* ctl.h - what every command of musterctl gets: its options and a Redis that was reached. */
#ifndef MU_CTL_CTL_H
#define MU_CTL_CTL_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "redis/address.h"
#include "redis/sentinel.h"

/* Read when no --config is given, if it is there. */
#define MU_CTL_CONFIG_DEFAULT "/etc/muster/muster.yaml"

/* The exit status of the program. */
enum mu_ctl_exit { MU_CTL_FINE = 0, MU_CTL_NO = 1, MU_CTL_USAGE = 2, MU_CTL_UNREACHABLE = 3 };

/* Strings point into argv. Times in ms. */
struct mu_ctl_options {
    const char *config;
    const char *url;
    const char *sentinels; /* host:port,… */
    const char *master;
    struct mu_redis_tls_options tls; /* of a rediss:// URL; NULL: of the configuration, or none */
    const char *name_space;
    const char *state_dir;
    bool json;
    const char *command;
    const char *argument; /* members S, brake release, call OP, token new, explain session */
    const char *
        *rest; /* call: the arguments of the operation, token new, explain: the name; owned */
    size_t rest_count;
    const char **sessions; /* --session: of watch it may repeat; the array is owned */
    size_t session_count;
    const char **roles; /* --role, may repeat; the array is owned */
    size_t role_count;
    uint64_t count;  /* watch: ends after so many events; 0: never */
    uint64_t for_ms; /* watch: ends after that time; 0: never */
    bool brief;
    bool off, wait;     /* drain */
    bool once;          /* top: one frame, not a view */
    uint64_t limit;     /* sessions: at most so many; fsck: findings listed an invariant, explain:
                         * entries     of the journal; 0: all */
    uint64_t offset;    /* sessions: skips so many */
    bool repair;        /* fsck: mends what it finds */
    uint64_t listen_ms; /* fsck --watch: listens to the events that long */
    uint64_t patience_ms;
    const char
        *via; /* "resp", "pubsub": through that door; "redis": plain reads; NULL: see main.c */
    const char *door;     /* resp: unix:///path or host:port; NULL: of the configuration */
    const char *token;    /* or `file:PATH`; NULL: anonymous */
    const char *instance; /* pubsub: whose inbox is answered into; NULL: see via/door.h;
                           * token: bound to; explain-auth: that is named */
    uint64_t timeout_ms;  /* doors: how long an answer is waited for */
    /* explain-auth; `kind` also of token, `user` also of doctor: whose rights in Redis */
    const char *principal, *kind, *action, *operation, *connection, *user;
    const char *expires; /* token: a date */
    bool yes;            /* orders: not asked for confirmation */
    /* drain, undrain */
    uint64_t rate;        /* connections told to move a second; 0: none */
    uint64_t notice_ms;   /* that each of them has; 0: not said */
    uint64_t wait_ms;     /* at most so long */
    uint64_t interval_ms; /* top: between two frames; 0: the default */
};

struct mu_ctl {
    const struct mu_ctl_options *options;
    char *name_space; /* owned */
    /* Where Redis is: one of both, owned; `source` names the option or key for errors. */
    char *url, *state_dir;
    const char *source;
    /* Or the sentinels that know, and the master's name, owned; without them `count` is 0. */
    struct mu_sentinel_places places;
    char *master;
    struct {
        char *ca, *certificate, *key, *server_name;
    } tls;                           /* owned; as in mu_redis_tls_options */
    struct mu_redis_address address; /* since mu_ctl_reach() */
    char where[256];                 /* the address for people, without credentials */
    char *door; /* owned: where transport_resp listens; NULL: nowhere that is known */
    uint64_t connect_timeout_ms;
    uint64_t command_timeout_ms;
    redisContext *redis; /* owned */
    bool lost;           /* the connection broke; it has been said on stderr */
};

/* One command a file. What they return is the exit status of the program. */
enum mu_ctl_exit mu_ctl_status(struct mu_ctl *ctl);
enum mu_ctl_exit mu_ctl_instances(struct mu_ctl *ctl);
enum mu_ctl_exit mu_ctl_sessions(struct mu_ctl *ctl);
enum mu_ctl_exit mu_ctl_members(struct mu_ctl *ctl);
enum mu_ctl_exit mu_ctl_watch(struct mu_ctl *ctl);
enum mu_ctl_exit mu_ctl_fsck(struct mu_ctl *ctl);
enum mu_ctl_exit mu_ctl_explain(struct mu_ctl *ctl);
struct mu_via;
/* `via` NULL: with Redis itself. */
enum mu_ctl_exit mu_ctl_drain(struct mu_ctl *ctl, struct mu_via *via);
enum mu_ctl_exit mu_ctl_brake(struct mu_ctl *ctl, struct mu_via *via);
/* bury, reap, brake release, step-down, flush-decisions. */
enum mu_ctl_exit mu_ctl_order(struct mu_ctl *ctl, struct mu_via *via);
enum mu_ctl_exit mu_ctl_top(struct mu_ctl *ctl, struct mu_via *via);

/* Those that need no Redis. */
enum mu_ctl_exit mu_ctl_token(const struct mu_ctl_options *options);
enum mu_ctl_exit mu_ctl_explain_auth(const struct mu_ctl_options *options);
/* It finds Redis by itself, and goes on without. */
enum mu_ctl_exit mu_ctl_doctor(const struct mu_ctl_options *options);

#endif
