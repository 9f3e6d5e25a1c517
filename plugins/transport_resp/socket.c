/* socket.c - the life of one socket.
 *
 * The happy path: accepted - bytes are read, decrypted, fed to the session - once a turn it is
 * visited (turns.c): its requests go on, its replies go out in one write - the peer closes.
 *
 * Ways to fail: too many sockets (told why, closed); TLS fails (the peer is told by an alert); the
 * peer ends or breaks the connection (its lifelines are told); it owes something or asks nothing
 * for too long (clock.c); it does not read (the session ends itself); its requests make no
 * sense, or it said QUIT (all is sent, our half is closed, and its end is waited for, so that a
 * reset does not take our last words away).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "socket.h"

#define KEEPALIVE_S 60 /* a peer behind a network that is gone is noticed after some minutes */
#define LOG_EVERY_MS 10000

static const char what[] = "connection";

/* ---- closing ---- */

static void on_closed(uv_handle_t *handle) {
    struct resp_socket *socket = handle->data;
    struct resp_server *server = socket->server;
    free(socket);
    resp_server_release(server, what);
}

void resp_socket_close(struct resp_socket *socket) {
    struct resp_server *server = socket->server;
    if (socket->closing) {
        return;
    }
    resp_turns_forget(socket);
    resp_clock_forget(socket);
    socket->closing = true;
    if (socket->session != NULL) {
        if (socket->tcp_address) {
            resp_address_leave(server, socket->session->address);
        }
        resp_session_destroy(&socket->session);
        resp_count_add(&server->door.counts, RESP_COUNT_SOCKETS, -1);
    }
    resp_tls_destroy(&socket->tls);
    *socket->link = socket->next;
    if (socket->next != NULL) {
        socket->next->link = socket->link;
    }
    server->socket_count--;
    uv_close(&socket->handle, on_closed);
}

static void hang_up(struct resp_socket *socket) {
    if (!socket->lingering) {
        resp_session_hung_up(socket->session);
    }
    resp_socket_close(socket);
}

/* All is sent. */
static void linger(struct resp_socket *socket) {
    uv_os_fd_t fd = -1;
    if (socket->lingering) {
        return;
    }
    if (socket->session->ending == RESP_OVER || socket->server->door.stopping ||
        uv_fileno(&socket->handle, &fd) != 0 || shutdown(fd, SHUT_WR) != 0) {
        resp_socket_close(socket);
        return;
    }
    socket->lingering = true;
}

/* ---- writing ---- */

struct rest {
    uv_write_t write;
    size_t length;
    char *data;
};

static void on_written(uv_write_t *write, int status) {
    struct rest *rest = write->data;
    struct resp_socket *socket = write->handle->data;
    free(rest->data);
    free(rest);
    socket->writing = 0;
    if (socket->closing) {
        return;
    }
    if (status != 0) {
        hang_up(socket);
        return;
    }
    resp_session_sent(socket->session, 0, socket->tls != NULL ? resp_tls_pending(socket->tls) : 0);
    resp_turns_want(socket);
}

/* How much of it the system took; <0: the connection is broken. */
static long try_write(struct resp_socket *socket, char *data, size_t length) {
    uv_buf_t bytes = uv_buf_init(data, (unsigned)length);
    int sent = uv_try_write(&socket->stream, &bytes, 1);
    return sent == UV_EAGAIN ? 0 : sent;
}

/* Takes the memory over. */
static bool write_rest(struct resp_socket *socket, char *data, size_t begin, size_t length) {
    struct rest *rest = resp_need(malloc(sizeof *rest));
    *rest = (struct rest){.length = length - begin, .data = data};
    rest->write.data = rest;
    uv_buf_t bytes = uv_buf_init(data + begin, (unsigned)rest->length);
    if (uv_write(&rest->write, &socket->stream, &bytes, 1, on_written) != 0) {
        free(data);
        free(rest);
        return false;
    }
    socket->writing = rest->length;
    return true;
}

static bool flush_plain(struct resp_socket *socket) {
    struct resp_out *out = &socket->session->out;
    size_t length = out->length - out->sent;
    if (length == 0) {
        return true;
    }
    long sent = try_write(socket, out->data + out->sent, length);
    if (sent < 0) {
        return false;
    }
    resp_session_sent(socket->session, (size_t)sent, 0);
    if ((size_t)sent == length) {
        return true;
    }
    /* The system takes no more: what is left goes out by itself. */
    char *data = out->data;
    size_t begin = out->sent;
    size_t end = out->length;
    *out = (struct resp_out){.protocol = out->protocol};
    bool fine = write_rest(socket, data, begin, end);
    resp_session_sent(socket->session, 0, socket->writing);
    return fine;
}

/* Ciphertext of any origin, a buffer at a time. */
static bool flush_tls(struct resp_socket *socket) {
    struct resp_session *session = socket->session;
    struct resp_out *out = &session->out;
    if (out->length > out->sent && resp_tls_established(socket->tls)) {
        if (resp_tls_write(socket->tls, out->data + out->sent, out->length - out->sent) != 0) {
            return false;
        }
        resp_session_sent(session, out->length - out->sent, resp_tls_pending(socket->tls));
    }
    while (socket->writing == 0 && resp_tls_pending(socket->tls) > 0) {
        char *buffer = resp_need(malloc(RESP_READ_BYTES));
        size_t length = resp_tls_take(socket->tls, buffer, RESP_READ_BYTES);
        long sent = try_write(socket, buffer, length);
        if (sent < 0) {
            free(buffer);
            return false;
        }
        if ((size_t)sent < length) {
            if (!write_rest(socket, buffer, (size_t)sent, length)) {
                return false;
            }
        } else {
            free(buffer);
        }
    }
    resp_session_sent(session, 0, socket->writing + resp_tls_pending(socket->tls));
    return true;
}

/* False: the connection is broken. */
static bool flush(struct resp_socket *socket) {
    if (socket->writing > 0) {
        return true; /* the end of that comes by here */
    }
    return socket->tls != NULL ? flush_tls(socket) : flush_plain(socket);
}

/* ---- reading ---- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer) {
    struct resp_socket *socket = handle->data;
    (void)suggested;
    *buffer = uv_buf_init(socket->server->buffer, RESP_READ_BYTES);
}

static void tls_failed(struct resp_socket *socket) {
    struct resp_door *door = &socket->server->door;
    resp_count_add(&door->counts, RESP_COUNT_TLS_FAILED, 1);
    door->host->log(door->plugin, MUSTER_LOG_DEBUG, "tls", "peer=%s: %s", socket->session->peer,
                    resp_tls_error(socket->tls));
    (void)flush(socket); /* the alert */
    resp_socket_close(socket);
}

/* False: the socket is closed. */
static bool feed_tls(struct resp_socket *socket, const char *data, size_t length) {
    struct resp_server *server = socket->server;
    long got = 0;
    if (resp_tls_feed(socket->tls, data, length) != 0) {
        bool established = socket->certified;
        if (established) {
            hang_up(socket);
        } else {
            tls_failed(socket);
        }
        return false;
    }
    if (!socket->certified && resp_tls_established(socket->tls)) {
        socket->certified = true;
        if (resp_tls_subject(socket->tls) != NULL) {
            resp_session_certify(socket->session, resp_tls_subject(socket->tls));
        }
    }
    while ((got = resp_tls_read(socket->tls, server->plain, RESP_READ_BYTES)) > 0) {
        resp_session_feed(socket->session, server->plain, (size_t)got);
    }
    if (got < 0) {
        hang_up(socket);
        return false;
    }
    return true;
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buffer) {
    struct resp_socket *socket = stream->data;
    if (got == 0) {
        return; /* not yet */
    }
    if (got < 0) {
        hang_up(socket);
        return;
    }
    if (socket->lingering) {
        return; /* what it says now was not asked for */
    }
    socket->visiting = true; /* what changes is seen below */
    bool open = true;
    if (socket->tls != NULL) {
        open = feed_tls(socket, buffer->base, (size_t)got);
    } else {
        resp_session_feed(socket->session, buffer->base, (size_t)got);
    }
    if (open) {
        socket->visiting = false;
        resp_clock_mind(socket);
        resp_turns_want(socket); /* its replies go out together, after all were read */
    }
}

static void set_reading(struct resp_socket *socket) {
    bool wanted = socket->lingering || resp_session_reads(socket->session);
    if (wanted == socket->reading) {
        return;
    }
    socket->reading = wanted;
    if (wanted) {
        uv_read_start(&socket->stream, on_alloc, on_read);
    } else {
        uv_read_stop(&socket->stream);
    }
}

void resp_socket_visit(struct resp_socket *socket) {
    struct resp_session *session = socket->session;
    socket->visiting = true;
    if (resp_session_runnable(session)) {
        resp_session_run(session);
    }
    if (session->ending != RESP_OVER && !flush(socket)) {
        hang_up(socket);
        return;
    }
    if (resp_session_over(session)) {
        linger(socket);
        if (socket->closing) {
            return;
        }
    }
    set_reading(socket);
    resp_clock_mind(socket);
    socket->visiting = false;
    if (resp_session_runnable(session)) {
        resp_turns_want(socket);
    }
}

/* ---- accepting ---- */

static void on_wake(void *context) {
    resp_turns_want(context);
}

/* The address, and address and port, as texts. */
static void name_peer(struct resp_socket *socket, char address[48], char *peer, size_t size) {
    struct sockaddr_storage storage;
    struct sockaddr *any = (struct sockaddr *)&storage;
    int length = sizeof storage;
    snprintf(address, 48, "unix");
    snprintf(peer, size, "unix");
    if (socket->handle.type != UV_TCP) {
        struct ucred who = {0};
        socklen_t who_size = sizeof who;
        uv_os_fd_t fd = -1;
        if (uv_fileno(&socket->handle, &fd) == 0 &&
            getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &who_size) == 0) {
            snprintf(peer, size, "unix:uid=%ld,pid=%ld", (long)who.uid, (long)who.pid);
        }
    } else if (uv_tcp_getpeername(&socket->tcp, any, &length) == 0) {
        bool six = any->sa_family == AF_INET6;
        const struct sockaddr_in *four_at = (const struct sockaddr_in *)(void *)any;
        const struct sockaddr_in6 *six_at = (const struct sockaddr_in6 *)(void *)any;
        if (six) {
            uv_ip6_name(six_at, address, 48);
        } else {
            uv_ip4_name(four_at, address, 48);
        }
        snprintf(peer, size, six ? "[%s]:%u" : "%s:%u", address,
                 (unsigned)ntohs(six ? six_at->sin6_port : four_at->sin_port));
    }
}

/* Says why and closes; logs it, but not each time. */
static void turn_away(struct resp_socket *socket, enum resp_count count, const char *peer,
                      const char *sentence) {
    struct resp_server *server = socket->server;
    struct resp_door *door = &server->door;
    uint64_t now = door->host->now_ms(door->plugin);
    char text[160];
    int length =
        snprintf(text, sizeof text, "-%s %s\r\n", resp_status_code(MUSTER_OVERLOADED), sentence);
    resp_count_add(&door->counts, count, 1);
    if (socket->tls == NULL) {
        (void)try_write(socket, text, (size_t)length);
    }
    int64_t all = door->counts.values[RESP_COUNT_TURNED_AWAY] +
                  door->counts.values[RESP_COUNT_TURNED_AWAY_ADDRESS];
    if (server->logged_at == 0 || now - server->logged_at >= LOG_EVERY_MS) {
        server->logged_at = now;
        door->host->log(door->plugin, MUSTER_LOG_WARN, "turned_away",
                        "peer=%s: %s; all together %lld", peer, sentence, (long long)all);
    }
    resp_socket_close(socket);
}

static struct resp_socket *create(struct resp_listener *listener) {
    struct resp_server *server = listener->server;
    struct resp_socket *socket = resp_need(calloc(1, sizeof *socket));
    if (listener->handle.type == UV_TCP) {
        uv_tcp_init(server->loop, &socket->tcp);
    } else {
        uv_pipe_init(server->loop, &socket->pipe, 0);
    }
    socket->handle.data = socket;
    socket->server = server;
    socket->next = server->sockets;
    socket->link = &server->sockets;
    if (socket->next != NULL) {
        socket->next->link = &socket->next;
    }
    server->sockets = socket;
    server->socket_count++;
    resp_server_hold(server, what);
    return socket;
}

void resp_socket_accept(uv_stream_t *stream, int status) {
    struct resp_listener *listener = stream->data;
    struct resp_server *server = listener->server;
    struct resp_door *door = &server->door;
    char address[48];
    char peer[80];
    if (status != 0) {
        resp_count_add(&door->counts, RESP_COUNT_ACCEPT_FAILED, 1);
        return;
    }
    struct resp_socket *socket = create(listener);
    if (uv_accept(stream, &socket->stream) != 0) {
        resp_count_add(&door->counts, RESP_COUNT_ACCEPT_FAILED, 1);
        resp_socket_close(socket);
        return;
    }
    resp_count_add(&door->counts, RESP_COUNT_ACCEPTED, 1);
    name_peer(socket, address, peer, sizeof peer);
    if (listener->tls) {
        socket->tls = resp_need(resp_tls_create(server->tls));
    }
    if (door->session_count >= door->settings.max_sockets) {
        turn_away(socket, RESP_COUNT_TURNED_AWAY, peer, "there are max_sockets sockets");
        return;
    }
    if (socket->handle.type == UV_TCP) {
        if (!resp_address_enter(server, address)) {
            turn_away(socket, RESP_COUNT_TURNED_AWAY_ADDRESS, peer,
                      "there are max_sockets_per_address sockets of this address");
            return;
        }
        socket->tcp_address = true;
        uv_tcp_nodelay(&socket->tcp, 1);
        uv_tcp_keepalive(&socket->tcp, 1, KEEPALIVE_S);
    }
    socket->session = resp_session_create(door, address, peer, on_wake, socket);
    resp_count_add(&door->counts, RESP_COUNT_SOCKETS, 1);
    resp_clock_mind(socket);
    set_reading(socket);
}

/* ---- the end of the daemon ---- */

void resp_sockets_finish(struct resp_server *server) {
    for (struct resp_socket *at = server->sockets; at != NULL; at = at->next) {
        resp_session_finish(at->session);
        resp_turns_want(at);
    }
}

void resp_sockets_abandon(struct resp_server *server) {
    struct resp_socket *next = NULL;
    for (struct resp_socket *at = server->sockets; at != NULL; at = next) {
        next = at->next;
        at->visiting = true;
        resp_session_abandon(at->session);
        (void)flush(at);
        resp_socket_close(at);
    }
}
