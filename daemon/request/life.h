/* life.h - the states of a request, and which may follow which. Pure. */
#ifndef MU_REQUEST_LIFE_H
#define MU_REQUEST_LIFE_H

#include <stdbool.h>

/*      state            what it waits for */
#define MU_LIFE_TABLE(X)                                                                           \
    X(QUEUED)         /* the next turn of the loop */                                              \
    X(AUTHENTICATING) /* who calls */                                                              \
    X(VERIFYING)      /* whose credential is in the options */                                     \
    X(AUTHORIZING)    /* may it */                                                                 \
    X(APPLYING)       /* Redis */                                                                  \
    X(ANSWERED)       /* the reply was given, or is being given */                                 \
    X(CANCELLED)      /* nobody waits for a reply any more */

enum mu_life {
#define MU_LIFE_ENUM(name) MU_LIFE_##name,
    MU_LIFE_TABLE(MU_LIFE_ENUM)
#undef MU_LIFE_ENUM
        MU_LIVES /* their number */
};

const char *mu_life_name(enum mu_life life);
bool mu_life_may_follow(enum mu_life from, enum mu_life to);
/* Is the reply still due? */
bool mu_life_is_pending(enum mu_life life);

#endif
