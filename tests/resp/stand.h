/* stand.h - the RESP door without a daemon: sessions, and a host that the test plays.
 *
 * What a session asks of the host is noted, one struct stand_ask each, and answered when the test
 * likes, in any order, or never. Time stands still until the test moves it.
 */
#ifndef RESP_STAND_H
#define RESP_STAND_H

#include "lib/test.h"

#include "transport_resp/session.h"

enum stand_kind { STAND_OPERATION, STAND_WHO, STAND_WHETHER };

struct stand_ask {
    uint64_t id; /* 0: answered, or cancelled */
    enum stand_kind kind;
    void *context;
    bool cancelled;
    struct muster_caller *caller; /* who asked; NULL: anonymous */
    char text[512]; /* "ENTER room c1", "user token [certificate]", "events.subscribe room" */
};

struct stand {
    struct muster_host host;
    struct resp_door door;
    uint64_t now;
    struct stand_ask asks[4096];
    size_t ask_count;
    size_t callers;                /* given and not released */
    enum muster_status refuse_all; /* what submit and its like say; OK: fine */
    enum muster_status publish_says;
    char published[4096]; /* "channel payload\n" each */
    char channels[4096];  /* "+x", "-x", for patterns "+*x", "-*x", each with a space behind */
    size_t wakes;
    uint64_t mark; /* what subscribe_mark() says; 0: confirmed at once */
};

/* What most tests begin with: a stand and one session of it, which the test may destroy. */
struct stand_fixture {
    struct stand *stand;
    struct resp_session *session;
};
int stand_set_up(void **state);
int stand_tear_down(void **state);

struct stand *stand_create(void);
/* Demands that everything was released. Sessions are destroyed before. */
void stand_destroy(struct stand **stand);

struct resp_session *stand_session(struct stand *stand);
/* Feeds it from memory of its own, so that reading behind the end is seen. */
void stand_feed(struct resp_session *session, const char *data, size_t length);
/* A line, as an inline request. */
void stand_say(struct resp_session *session, const char *line);
/* Demands that this is all that is to be sent, and takes it. */
void stand_expect(struct resp_session *session, const char *text);
/* The same, for the beginning. */
void stand_expect_begin(struct resp_session *session, const char *text);

/* The only open ask with this text; fails when there is none. */
struct stand_ask *stand_find(struct stand *stand, const char *text);
size_t stand_open(const struct stand *stand);
/* Answers; `json` NULL: the status with the message. */
void stand_reply(struct stand *stand, const char *text, const char *json);
void stand_refuse(struct stand *stand, const char *text, enum muster_status status,
                  const char *message);
/* `id` NULL: an anonymous caller. */
void stand_know(struct stand *stand, const char *text, const char *id);
void stand_allow(struct stand *stand, const char *text);
/* A message of a channel; `pattern` may be NULL. */
void stand_message(struct stand *stand, const char *pattern, const char *channel,
                   const char *payload);

#endif
