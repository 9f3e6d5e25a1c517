/* line.h - what the files of this door share.
 *
 * The door: a unix socket. A request is one line of JSON,
 *
 *     {"id":"1","op":"ENTER","args":["room-1","c1","node-1","k3f","{}"],"token":"..."}
 *
 * and so is its answer: {"id":"1","ok":...} or {"id":"1","error":{"code","message","retry"}}.
 * Answers come in the order in which they are ready; the id says which is which. A `token` is
 * verified once and speaks for its line and all later ones of the connection.
 */
#ifndef LINE_H
#define LINE_H

#include <jansson.h>
#include <muster/plugin.h>
#include <uv.h>

struct line_connection;

struct line_door {
    struct muster_plugin *plugin;
    const struct muster_host *host;
    const char *path;         /* of the socket; the host's */
    uint64_t max_line;        /* bytes of a request */
    uint64_t max_backlog;     /* bytes of answers that a connection has not read yet */
    uint64_t max_pending;     /* requests of one connection */
    uint64_t max_connections; /* open at once */
    uv_pipe_t *listener;      /* NULL: not listening */
    bool stopping;
    struct muster_timer *patience;       /* runs while stopping */
    struct line_connection *connections; /* a list */
    size_t connection_count;
    struct muster_metric *open;         /* connections */
    struct muster_metric *turned_away;  /* connections beyond max_connections */
    struct muster_metric *slow_readers; /* connections closed because of max_backlog */
};

/* ---- plugin.c ---- */

/* One thing fewer that stop() waits for. Tells the host when it was the last. */
void line_settle(struct line_door *door);

/* ---- connection.c ---- */

/* Takes what waits at the listener. */
void line_accept(uv_stream_t *listener, int status);
/* Reads no more; closes when what is pending is answered and read. */
void line_finish_all(struct line_door *door);
/* Answers TIMEOUT to all that is pending, and closes without waiting for slow readers. */
void line_abandon_all(struct line_door *door);
/* Hooks of a transport. */
void line_authenticated(void *state, void *context, enum muster_status status,
                        struct muster_caller *caller, const char *message);
void line_replied(void *state, void *context, const struct muster_result *result);

/* ---- message.c ---- */

struct line_message {
    json_t *root; /* owns all texts below */
    char *id;     /* as JSON; "null" when there is none */
    const char *operation;
    const char *token; /* NULL: none */
    struct muster_text *arguments;
    size_t count;
    uint64_t timeout_ms;
};

/* Reads a line. When it is no request: a status, a sentence in `complaint`, and at least the id in
 * `message`, which must be freed in either case. */
enum muster_status line_message_read(struct line_message *message, const char *line, size_t length,
                                     struct muster_complaint *complaint);
/* All but the id, as soon as the host has its copies: a token is wiped, not only freed. */
void line_message_forget(struct line_message *message);
void line_message_free(struct line_message *message);

/* The line of an answer, with its end; the caller frees it. */
char *line_answer(const char *id, const struct muster_result *result, size_t *length);
/* A result of the door's own. */
struct muster_result line_error(enum muster_status status, const char *sentence);

/* What malloc gave, if it gave something. The sizes are bounded by the configuration: when there is
 * no memory for them, the process is at its end, and the standby does better. */
void *line_need(void *memory);

#endif
