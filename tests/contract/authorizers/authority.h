/* authority.h - what every authorizer must do, as tests that know nothing of any.
 *
 * An authorizer is described by a struct mt_authority: how a daemon is told to load it, and who is
 * allowed, denied, or nobody it has an opinion about. mt_authority_run() runs all cases on it, each
 * with a Redis and a daemon of its own, through transport_pubsub. A test program of an authorizer
 * is a main() that calls it (tests/contract/test_authorizer_contract_rules.c).
 */
#ifndef MT_AUTHORITY_H
#define MT_AUTHORITY_H

#include "contract/contract.h"
#include "registry/operations.h"

/* What the authorizer says about somebody. */
enum mt_says {
    MT_ALLOWED,
    MT_DENIED,
    MT_UNDECIDED, /* MUSTER_DEFER, or nobody is asked at all */
    MT_LATE,      /* nothing, until the request's deadline has passed */
    MT_SLOW,      /* allowed, and not at once */
    MT_SAYS
};

/* Somebody about whom it says so. */
struct mt_asker {
    bool possible;       /* false: this authorizer never says so */
    const char *token;   /* NULL: anonymous; lives as long as the stand */
    const char *session; /* NULL: any; else it says so about this session only */
};

struct mt_authority {
    const char *name;   /* for test names */
    const char *plugin; /* its name in the configuration, which a TIMEOUT names */
    const char *reason; /* part of the sentence of every denial */
    /* `key=value` settings for a daemon, ended by NULL: plugins.load with the doors
     * (mt_authority_doors()) and whatever it needs, and authorization.chain. Writes files and
     * starts servers before. All of it lives as long as the stand. */
    const char *const *(*settings)(struct mt_stand *stand);
    /* Who says what, for requests of `instance` ("a" or "b"). */
    struct mt_asker (*asker)(struct mt_stand *stand, enum mt_says says, const char *instance);
    /* Does it decide about this operation at all? NULL: about every one. */
    bool (*covers)(enum muster_operation operation);
    bool ignores_subscriptions; /* it has no opinion about events.subscribe */
    /* A credential of an end user that is accepted (as `user`) or denied; NULL: never. The function
     * may be NULL: it is no authenticator of end users. */
    const char *(*credential)(struct mt_stand *stand, enum mt_says says);
    const char *user;
    /* Makes it allow or deny what MT_ALLOWED asks about the session MT_GATE from now on, without
     * forgetting what was cached. NULL: its decisions are not cached, or never change. */
    void (*turn)(struct mt_stand *stand, struct mt_process *daemon, bool allow);
    size_t many; /* requests of each kind under load; 0: 2,000 */
};

#define MT_GATE "gate"
#define MT_RULES_PLUGIN MUSTER_BUILD_DIR "/tests/plugins/contract_rules.so"

/* The entries of plugins.load for the doors that the suite asks through. */
const char *mt_authority_doors(struct mt_stand *stand);

/* Runs all cases; the exit code of a test program. */
int mt_authority_run(const struct mt_authority *authority);

/* ---- for the cases ---- */

/* Each with what it shows. */
#define MT_AUTHORITY_CASES(X)                                                                      \
    X(allowed)          /* every operation does what it does without authorization */              \
    X(denied)           /* every operation: DENIED with the reason, nothing changed in Redis */    \
    X(undecided_denied) /* every operation: DENIED by the default, nothing changed */              \
    X(undecided_allowed)                                                                           \
    X(late)          /* every operation: TIMEOUT that names the plugin, nothing changed */         \
    X(slow)          /* every operation: allowed, later */                                         \
    X(credentials)   /* of end users: accepted, denied, unknown */                                 \
    X(subscriptions) /* at the RESP door: allowed, denied, undecided */                            \
    X(cached)        /* until musterctl flush, yes and no alike */                                 \
    X(stopped)       /* cleanly, with questions pending, and none of them allowed */               \
    X(load)          /* thousands at once, half of them denied, none of them wrongly */            \
    X(reload)        /* keeps serving, and says the same */

struct mt_suite {
    const struct mt_authority *authority;
    struct mt_stand *stand;
    const char *set[16]; /* settings of the daemons */
};

#define MT_AUTHORITY_DECLARE(name) void mt_authority_##name(void **state);
MT_AUTHORITY_CASES(MT_AUTHORITY_DECLARE)
#undef MT_AUTHORITY_DECLARE

/* A daemon that coordinates, with the authorizer; `otherwise` is authorization.default. */
struct mt_process *mt_suite_lead(struct mt_suite *suite, const char *name, const char *otherwise);
/* Ends the case as passed when the authorizer never says so. */
struct mt_asker mt_suite_asker(struct mt_suite *suite, enum mt_says says, const char *instance);
/* A client for it. */
struct mt_client *mt_suite_open(struct mt_suite *suite, const struct mt_asker *asker,
                                const char *instance);
/* Asks something, and demands this status, and a sentence with `part` (NULL: any). */
void mt_suite_expect(struct mt_suite *suite, struct mt_client *client, enum muster_status status,
                     const char *part, const char *operation, const char *const texts[]);
/* All data of Redis but what a daemon writes that only waits. The caller frees it. */
char *mt_suite_dump(struct mt_suite *suite);

#endif
