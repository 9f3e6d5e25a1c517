/* socket.h - one socket: for socket.c, turns.c and clock.c. */
#ifndef RESP_SOCKET_H
#define RESP_SOCKET_H

#include "server.h"
#include "session.h"
#include "tls.h"

struct resp_socket {
    union {
        uv_tcp_t tcp;
        uv_pipe_t pipe;
        uv_stream_t stream;
        uv_handle_t handle;
    };
    struct resp_server *server;
    struct resp_socket *next, **link; /* of the server's list */
    struct resp_session *session;     /* NULL once it closes */
    struct resp_tls *tls;             /* NULL: plain */
    size_t writing;                   /* bytes of the uv_write under way; 0: none is */
    bool tcp_address;                 /* counted in addresses.c */
    bool reading;
    bool lingering; /* all is said, the peer was told so, and its end is waited for */
    bool certified; /* TLS is established, and that was looked at */
    bool closing;

    struct resp_socket *queue_next, **queue_link;
    bool queued, visiting;

    struct resp_clock *clock; /* whose list it is in; NULL: none */
    struct resp_socket *clock_next, **clock_link;
    uint64_t clock_since; /* ms */
    uint64_t clock_asked; /* session->asked_at when it was entered */
};

/* Sends, closes, reads on: whatever the session wants. */
void resp_socket_visit(struct resp_socket *socket);
/* Frees the session. The socket itself is freed in a later turn. */
void resp_socket_close(struct resp_socket *socket);

/* To be looked at in this turn or the next. */
void resp_turns_want(struct resp_socket *socket);
void resp_turns_forget(struct resp_socket *socket);

/* Enters it where it belongs now. */
void resp_clock_mind(struct resp_socket *socket);
void resp_clock_forget(struct resp_socket *socket);

#endif
