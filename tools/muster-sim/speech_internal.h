/* speech_internal.h - what the ways of talking share. */
#ifndef MU_SIM_SPEECH_INTERNAL_H
#define MU_SIM_SPEECH_INTERNAL_H

#include "base/ids.h"
#include "redis/link.h"
#include "speech.h"

/* What differs from one to the other; see the functions of speech.h of the same names. */
struct mu_manner {
    void (*begin)(struct mu_speech *speech); /* names the channel of marks */
    const char *(*events)(const struct mu_speech *speech, char out[MU_KEY_SIZE], const char *name);
    enum muster_status (*call)(struct mu_speech *speech, bool now, const char *operation,
                               size_t count, const char *const *arguments, mu_answer_cb callback,
                               void *context);
    enum muster_status (*snapshot)(struct mu_speech *speech, const char *session,
                                   mu_snapshot_cb callback, void *context);
    enum muster_status (*standing)(struct mu_speech *speech, mu_standing_cb callback,
                                   void *context);
    enum muster_status (*beat)(struct mu_speech *speech, mu_done_cb callback, void *context);
    enum muster_status (*mark)(struct mu_speech *speech, uint64_t number, mu_done_cb callback,
                               void *context);
    bool (*is_mark)(const struct mu_speech *speech, const char *payload, size_t length,
                    uint64_t number);
};

struct mu_speech {
    struct mu_speech_options options;
    const struct mu_manner *manner;
    struct mu_link *link;
    char incarnation[MU_ID_SIZE];
    char mark_channel[MU_KEY_SIZE];
    size_t at;                  /* of the addresses */
    uint64_t silent_connection; /* of the link, of which `on_silent` told */
    bool closing;
    void (*closed)(void *context);
    void *closed_context;
};

/* How long an answer may take. */
#define MU_SPEECH_TIMEOUT_MS 5000

extern const struct mu_manner mu_manner_redis, mu_manner_door;

#endif
