#include "request/life.h"

#include <stddef.h>

#define BIT(name) (1u << MU_LIFE_##name)
/* Each may be answered (with an error, if nothing better) and cancelled. */
#define ENDS (BIT(ANSWERED) | BIT(CANCELLED))

static const unsigned follows[MU_LIVES] = {
    [MU_LIFE_QUEUED] = BIT(AUTHENTICATING) | BIT(VERIFYING) | BIT(AUTHORIZING) | ENDS,
    [MU_LIFE_AUTHENTICATING] = BIT(VERIFYING) | BIT(AUTHORIZING) | ENDS,
    [MU_LIFE_VERIFYING] = BIT(AUTHORIZING) | ENDS,
    [MU_LIFE_AUTHORIZING] = BIT(APPLYING) | ENDS,
    [MU_LIFE_APPLYING] = ENDS,
    [MU_LIFE_ANSWERED] = 0,
    [MU_LIFE_CANCELLED] = 0,
};

const char *mu_life_name(enum mu_life life) {
    static const char *const names[] = {
#define NAME(name) #name,
        MU_LIFE_TABLE(NAME)
#undef NAME
    };
    return (size_t)life < MU_LIVES ? names[life] : "?";
}

bool mu_life_may_follow(enum mu_life from, enum mu_life to) {
    return (size_t)from < MU_LIVES && (size_t)to < MU_LIVES && (follows[from] & (1u << to)) != 0;
}

bool mu_life_is_pending(enum mu_life life) {
    return life != MU_LIFE_ANSWERED && life != MU_LIFE_CANCELLED;
}
