#include "redis/key_events.h"

#include <stddef.h>
#include <string.h>

#define CLASSES_OF_A "g$lshzxetd"

static bool has(const char *flags, char flag) {
    return strchr(flags, flag) != NULL ||
           (strchr(CLASSES_OF_A, flag) != NULL && strchr(flags, 'A') != NULL);
}

bool mu_key_events_merge(const char *present, char out[MU_KEY_EVENTS_SIZE]) {
    bool changed = false;
    size_t length = 0;
    /* Every flag that Redis knows fits; what does not is no flag. */
    for (const char *at = present; *at != '\0' && length < MU_KEY_EVENTS_SIZE / 2; at++) {
        out[length++] = *at;
    }
    out[length] = '\0';
    for (const char *flag = MU_KEY_EVENTS; *flag != '\0'; flag++) {
        if (!has(out, *flag)) {
            out[length++] = *flag;
            out[length] = '\0';
            changed = true;
        }
    }
    return changed;
}
