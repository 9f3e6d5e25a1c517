/* door.h - what all sessions of transport_resp share. No sockets in it: bytes in, bytes out, and
 * struct muster_host as the only outside, so that all of it runs in a test without a daemon.
 *
 * A request's way: socket.c reads bytes - session.c has them parsed, a bounded number a turn, and
 * looks the command up (commands.c) - commands of the connection are answered at once
 * (connection.c, client.c, about.c), operations are submitted (requests.c) in a slot that keeps the
 * order of replies (slots.c) - subscribe.c asks the authorizers and topics.c delivers -
 * lifelines.c remembers whose death the end of a socket is - the reply lies in session->out, and
 * socket.c writes it once a turn.
 */
#ifndef RESP_DOOR_H
#define RESP_DOOR_H

#include "counts.h"
#include "muster/plugin.h"
#include "settings.h"

struct resp_session;
struct resp_command;

#define RESP_BUCKETS 64

struct resp_door {
    struct muster_plugin *plugin;
    const struct muster_host *host;
    struct resp_settings settings;
    struct resp_counts counts;
    const struct muster_operation_info *operations;
    size_t operation_count;
    /* Operations by length and first letter: index + 1 of the first one, and of the next. */
    unsigned char operation_heads[RESP_BUCKETS], operation_nexts[MUSTER_OPERATIONS];
    uint64_t started_at; /* host->now_ms */
    bool stopping;       /* no new requests; no signals of lifelines */

    struct resp_session *sessions; /* a list */
    size_t session_count;
    uint64_t last_session; /* id */

    /* Trees of tsearch(), not hash tables: strangers choose the names. */
    void *topics; /* topics.c */
    struct resp_topic *topic_list;
    /* Subscriptions that the host has not confirmed yet, the oldest first (subscribe.c). */
    struct resp_group *unconfirmed, **unconfirmed_last;
    uint64_t unsure;     /* up to this mark clients were told too early: they get a resync then */
    void *subscriptions; /* topics.c */
    void *lifelines;     /* lifelines.c */
    void *buckets;       /* rate.c */
    struct resp_bucket *bucket_list;
};

void resp_door_init(struct resp_door *door, struct muster_plugin *plugin,
                    const struct muster_host *host, const struct resp_settings *settings);
/* All sessions are destroyed before. */
void resp_door_deinit(struct resp_door *door);

/* The hooks of a transport, for the plugin or for a test. */
void resp_door_replied(struct resp_door *door, void *context, const struct muster_result *result);
void resp_door_authenticated(struct resp_door *door, void *context, enum muster_status status,
                             struct muster_caller *caller, const char *message);
void resp_door_authorized(struct resp_door *door, void *context, enum muster_status status,
                          const char *message);
void resp_door_message(struct resp_door *door, const struct muster_event *event);
void resp_door_resync(struct resp_door *door);
void resp_door_subscribed(struct resp_door *door, uint64_t mark);

/* The word on the wire. */
const char *resp_status_code(enum muster_status status);

/* What malloc gave, if it gave something. The sizes are bounded by the configuration: when there is
 * no memory for them, the process is at its end, and the standby does better. */
void *resp_need(void *memory);
/* A copy, with a NUL behind it. */
char *resp_copy(const char *data, size_t length);
/* Overwrites and frees; NULL is fine. */
void resp_wipe(char *data, size_t length);
/* Equal without regard to case? */
bool resp_is(const struct muster_text *text, const char *word);

#endif
