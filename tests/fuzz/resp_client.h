/* resp_client.h - a client of a session of the RESP door, which knows what it is owed: one reply
 * for each of its requests, in their order, and messages of what it has subscribed and of nothing
 * else. What does not hold ends the process. */
#ifndef FUZZ_RESP_CLIENT_H
#define FUZZ_RESP_CLIENT_H

#include "transport_resp/session.h"

enum { FUZZ_NAMES = 16 };

enum fuzz_owed_kind { FUZZ_ONE, FUZZ_OPERATION, FUZZ_SUBSCRIBE, FUZZ_UNSUBSCRIBE, FUZZ_QUIT };

struct fuzz_owed {
    enum fuzz_owed_kind kind;
    bool pattern;
    size_t names; /* of (un)subscriptions */
};

struct fuzz_client {
    struct resp_session *session;
    struct resp_parser parser; /* of the same bytes */
    struct fuzz_owed *owed;
    size_t first, count, room;
    size_t confirmations;           /* of the first one that still come; 0: it has not begun */
    char names[2][FUZZ_NAMES][200]; /* channels and patterns that are confirmed */
    size_t name_count[2];
    uint64_t last_marker; /* of the last question whose answer came */
    bool over;            /* nothing may come any more */
    char *received;
    size_t length, size;
};

void fuzz_client_init(struct fuzz_client *client, struct resp_session *session,
                      const struct resp_limits *limits);
/* Frees what it remembers, not the session. */
void fuzz_client_deinit(struct fuzz_client *client);
/* Is about to send these. */
void fuzz_client_sends(struct fuzz_client *client, const char *data, size_t length);
/* Takes at most `most` bytes of the session's output, and looks at them. */
void fuzz_client_reads(struct fuzz_client *client, size_t most);

#endif
