/* server.h - the sockets of transport_resp: libuv, and nothing of the protocol. */
#ifndef RESP_SERVER_H
#define RESP_SERVER_H

#include <uv.h>

#include "door.h"

#define RESP_READ_BYTES 65536 /* most of one read */

struct resp_socket;
struct resp_tls_context;

/* A list in order of time; see clock.c. */
struct resp_clock {
    struct resp_socket *first, **last;
};

struct resp_listener {
    union {
        uv_tcp_t tcp;
        uv_pipe_t pipe;
        uv_stream_t stream;
        uv_handle_t handle;
    };
    struct resp_server *server;
    struct resp_listener *next;
    char *path; /* of a unix socket, to be removed; or NULL */
    bool tls;
    int fd;          /* -1: the handle has it */
    char bound[128]; /* as text */
};

struct resp_server {
    struct resp_door door; /* first: the state of the plugin */
    uv_loop_t *loop;
    struct resp_listener *listeners;
    struct resp_tls_context *tls; /* for new connections; NULL: none */
    char *buffer;                 /* RESP_READ_BYTES of what comes in, for all sockets */
    char *plain;                  /* the same, decrypted; NULL without TLS */

    struct resp_socket *sockets; /* a list */
    size_t socket_count;
    void *addresses; /* tsearch() tree: sockets of each IP address, addresses.c */

    /* turns.c: sockets that want to be looked at, each once a turn */
    uv_check_t check;
    uv_idle_t idle; /* runs while somebody waits: the loop must not sleep */
    bool turning;   /* the two are open */
    struct resp_socket *queue, **queue_last;
    size_t queued;

    struct resp_clock owing; /* since when a socket owes us something: handshake_timeout */
    struct resp_clock quiet; /* since when it asked nothing: idle_timeout */
    struct muster_timer *sweep;
    struct muster_timer *patience; /* runs while stopping */
    size_t handles;                /* open ones of libuv, all kinds */
    uint64_t logged_at;            /* when a socket that was turned away was last logged */
};

/* ---- listen.c ---- */

/* Binds and listens at all addresses of the configuration; opens no handle. */
enum muster_status resp_listen_bind(struct resp_server *server, struct muster_complaint *complaint);
/* Opens the handles. */
enum muster_status resp_listen_open(struct resp_server *server, struct muster_complaint *complaint);
/* Closes them, and removes unix sockets. */
void resp_listen_close(struct resp_server *server);

/* ---- socket.c ---- */

void resp_socket_accept(uv_stream_t *listener, int status);
/* The stop begins; and its time is over. */
void resp_sockets_finish(struct resp_server *server);
void resp_sockets_abandon(struct resp_server *server);

/* ---- turns.c ---- */

void resp_turns_open(struct resp_server *server);
void resp_turns_close(struct resp_server *server);

/* ---- clock.c: how long sockets may take ---- */

void resp_clocks_open(struct resp_server *server);
void resp_clocks_close(struct resp_server *server);

/* ---- addresses.c ---- */

/* False: there are max_sockets_per_address of it. */
bool resp_address_enter(struct resp_server *server, const char *address);
void resp_address_leave(struct resp_server *server, const char *address);

/* ---- plugin.c ---- */

/* A handle is open, or closed. While stopping, the last one ends the stop. */
void resp_server_hold(struct resp_server *server, const char *what);
void resp_server_release(struct resp_server *server, const char *what);

#endif
