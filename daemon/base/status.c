#include "muster/status.h"

#include <string.h>

struct status_row {
    const char *code;
    const char *meaning;
    bool retry;
};

static const struct status_row rows[MUSTER_STATUS_COUNT] = {[MUSTER_OK] = {"OK", "done", false},
#define MUSTER_STATUS_ROW(name, retry, meaning) [MUSTER_##name] = {#name, meaning, retry},
                                                            MUSTER_STATUS_TABLE(MUSTER_STATUS_ROW)
#undef MUSTER_STATUS_ROW
};

/* A number that is no status can only come from a fault of ours: it is told as INTERNAL. */
static const struct status_row *row_of(enum muster_status status) {
    unsigned index = (unsigned)status;

    return &rows[index < MUSTER_STATUS_COUNT ? index : (unsigned)MUSTER_INTERNAL];
}

const char *muster_status_code(enum muster_status status) {
    return row_of(status)->code;
}

const char *muster_status_meaning(enum muster_status status) {
    return row_of(status)->meaning;
}

bool muster_status_retry(enum muster_status status) {
    return row_of(status)->retry;
}

bool muster_status_parse(const char *text, size_t length, enum muster_status *status) {
    const char *space = length > 0 ? memchr(text, ' ', length) : NULL;
    size_t word = space != NULL ? (size_t)(space - text) : length;

    for (size_t i = MUSTER_OK + 1; i < MUSTER_STATUS_COUNT; i++) {
        if (strlen(rows[i].code) == word && memcmp(rows[i].code, text, word) == 0) {
            *status = (enum muster_status)i;
            return true;
        }
    }
    return false;
}
