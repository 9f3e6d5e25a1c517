/* resp_host.h - a host for the core of the RESP door, played by a fuzz target: it remembers what it
 * is asked, and answers when and as it is told. What no plugin may do ends the process. */
#ifndef FUZZ_RESP_HOST_H
#define FUZZ_RESP_HOST_H

#include "muster/plugin.h"

enum { FUZZ_CHANNELS = 32, FUZZ_QUESTIONS = 64 };

enum fuzz_question_kind { FUZZ_SUBMIT, FUZZ_AUTHENTICATE, FUZZ_AUTHORIZE };

struct fuzz_question {
    uint64_t id;
    enum fuzz_question_kind kind;
    void *context;
    char peer[32]; /* FUZZ_SUBMIT: who asked */
};

struct fuzz_channel {
    char name[200];
    bool pattern;
};

/* The host's side of the plugin. All zero is a good start. */
struct muster_plugin {
    uint64_t last_id, now;
    struct fuzz_question questions[FUZZ_QUESTIONS];
    size_t count;
    struct fuzz_channel channels[FUZZ_CHANNELS];
    size_t channel_count;
    size_t callers;             /* references that are out */
    enum muster_status submits; /* what submit and the like say; not OK: refused at once */
    long long signals;          /* published */
    bool slow;                  /* subscriptions are confirmed when the script says so */
    uint64_t wanted, confirmed; /* marks */
};

extern const struct muster_host fuzz_host;

/* Takes the question out; it is answered by the caller. */
struct fuzz_question fuzz_host_take(struct muster_plugin *plugin, size_t index);
/* A reference to a caller; anonymous or somebody. */
struct muster_caller *fuzz_host_caller(struct muster_plugin *plugin, bool anonymous);

#endif
