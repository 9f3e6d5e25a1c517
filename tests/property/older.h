/* older.h - a copy of the whole data, and its return: what a restart from an old snapshot, or a
 * replica that lagged behind, does to a namespace.
 */
#ifndef PM_OLDER_H
#define PM_OLDER_H

#include "lib/redis.h"
#include "property/model.h"

struct pm_older {
    struct pm_state state; /* as it was */
    struct {
        char *key;
        char *bytes;
        size_t length;
        long long expires; /* ms since 1970, 0: never */
    } * keys;
    size_t count;
    bool taken;
};

void pm_older_take(struct pm_older *older, struct mt_redis *redis, const struct pm_state *state);
/* Replaces the data and the state, but for the time. Nothing is confirmed afterwards. */
void pm_older_return(const struct pm_older *older, struct mt_redis *redis, struct pm_state *state);
void pm_older_forget(struct pm_older *older);

#endif
