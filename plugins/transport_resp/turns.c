/* turns.c - each socket has its turn.
 *
 * Sockets that want to be looked at stand in one queue. Once a turn of the loop, after all that
 * could be read was read, each of those in it is visited once: at most RESP_TURN of its requests
 * are looked at, all its replies go out in one write, and if it has more to do it stands at the end
 * again. So one that sent a million requests does not hold up another that sent one.
 */
#include "socket.h"

#define VISITS 512 /* a turn; the rest waits for the next one, so that others than us go on */

static void on_check(uv_check_t *check) {
    struct resp_server *server = check->data;
    size_t visits = server->queued < VISITS ? server->queued : VISITS;
    for (size_t i = 0; i < visits && server->queue != NULL; i++) {
        struct resp_socket *socket = server->queue;
        resp_turns_forget(socket);
        resp_socket_visit(socket);
    }
    if (server->queue == NULL) {
        uv_idle_stop(&server->idle);
    }
}

static void on_idle(uv_idle_t *idle) {
    (void)idle; /* that it runs is all: the loop does not sleep */
}

void resp_turns_want(struct resp_socket *socket) {
    struct resp_server *server = socket->server;
    if (socket->queued || socket->visiting || socket->closing) {
        return;
    }
    socket->queued = true;
    socket->queue_next = NULL;
    socket->queue_link = server->queue_last;
    *server->queue_last = socket;
    server->queue_last = &socket->queue_next;
    server->queued++;
    if (!uv_is_active((uv_handle_t *)&server->idle)) {
        uv_idle_start(&server->idle, on_idle);
    }
}

void resp_turns_forget(struct resp_socket *socket) {
    struct resp_server *server = socket->server;
    if (!socket->queued) {
        return;
    }
    *socket->queue_link = socket->queue_next;
    if (socket->queue_next != NULL) {
        socket->queue_next->queue_link = socket->queue_link;
    } else {
        server->queue_last = socket->queue_link;
    }
    socket->queued = false;
    server->queued--;
}

void resp_turns_open(struct resp_server *server) {
    server->queue_last = &server->queue;
    uv_check_init(server->loop, &server->check);
    uv_idle_init(server->loop, &server->idle);
    server->check.data = server->idle.data = server;
    uv_check_start(&server->check, on_check);
    uv_unref((uv_handle_t *)&server->check);
    server->turning = true;
    resp_server_hold(server, "turns");
    resp_server_hold(server, "turns");
}

static void on_closed(uv_handle_t *handle) {
    resp_server_release(handle->data, "turns");
}

void resp_turns_close(struct resp_server *server) {
    if (server->turning) {
        server->turning = false;
        uv_close((uv_handle_t *)&server->check, on_closed);
        uv_close((uv_handle_t *)&server->idle, on_closed);
    }
}
