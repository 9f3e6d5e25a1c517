/* clock.c - how long sockets may take.
 *
 * Two lists in order of time, so that a look at the first of each is enough: sockets that owe us
 * something (TLS, the first request, the rest of a request, their end) and those that just ask
 * nothing.
 */
#include "socket.h"

#define SWEEP_MOST_MS 1000
#define SWEEP_LEAST_MS 10

static uint64_t now(const struct resp_server *server) {
    return server->door.host->now_ms(server->door.plugin);
}

static bool owes(const struct resp_socket *socket) {
    const struct resp_session *session = socket->session;
    return !session->asked || session->partial || session->ending != RESP_OPEN;
}

static void enter(struct resp_socket *socket, struct resp_clock *clock) {
    resp_clock_forget(socket);
    socket->clock = clock;
    socket->clock_since = now(socket->server);
    socket->clock_asked = socket->session->asked_at;
    socket->clock_next = NULL;
    socket->clock_link = clock->last;
    *clock->last = socket;
    clock->last = &socket->clock_next;
}

void resp_clock_forget(struct resp_socket *socket) {
    struct resp_clock *clock = socket->clock;
    if (clock == NULL) {
        return;
    }
    *socket->clock_link = socket->clock_next;
    if (socket->clock_next != NULL) {
        socket->clock_next->clock_link = socket->clock_link;
    } else {
        clock->last = socket->clock_link;
    }
    socket->clock = NULL;
}

void resp_clock_mind(struct resp_socket *socket) {
    struct resp_server *server = socket->server;
    struct resp_clock *wanted = owes(socket) ? &server->owing : &server->quiet;
    if (socket->clock != wanted || socket->clock_asked != socket->session->asked_at) {
        enter(socket, wanted);
    }
}

/* Is it to be left alone although its time is over? */
static bool spared(const struct resp_socket *socket, const struct resp_clock *clock) {
    const struct resp_session *session = socket->session;
    if (clock == &socket->server->owing) {
        /* Not its fault: it is not being read. */
        return session->ending == RESP_OPEN && !socket->reading;
    }
    return session->subscriptions != NULL || session->lifelines != NULL || session->first != NULL;
}

static void sweep_one(struct resp_server *server, struct resp_clock *clock, uint64_t timeout,
                      enum resp_count count) {
    uint64_t time = now(server);
    struct resp_socket *next = NULL;
    for (struct resp_socket *at = clock->first;
         at != NULL && timeout > 0 && time - at->clock_since >= timeout && at->clock_since < time;
         at = next) {
        next = at->clock_next;
        if (spared(at, clock)) {
            enter(at, clock); /* goes to the end, with the present time */
        } else {
            resp_count_add(&server->door.counts, count, 1);
            resp_socket_close(at);
        }
    }
}

static void on_sweep(void *context) {
    struct resp_server *server = context;
    const struct resp_settings *settings = &server->door.settings;
    sweep_one(server, &server->owing, settings->handshake_timeout, RESP_COUNT_LATE);
    sweep_one(server, &server->quiet, settings->idle_timeout, RESP_COUNT_IDLE);
    resp_rate_sweep(&server->door);
    resp_groups_sweep(&server->door);
}

void resp_clocks_open(struct resp_server *server) {
    const struct resp_settings *settings = &server->door.settings;
    uint64_t shortest = settings->handshake_timeout;
    if (settings->idle_timeout > 0 && settings->idle_timeout < shortest) {
        shortest = settings->idle_timeout;
    }
    uint64_t period = shortest / 4;
    period = period < SWEEP_LEAST_MS ? SWEEP_LEAST_MS : period;
    period = period > SWEEP_MOST_MS ? SWEEP_MOST_MS : period;
    resp_clocks_close(server);
    server->sweep =
        server->door.host->timer_start(server->door.plugin, period, period, on_sweep, server);
}

void resp_clocks_close(struct resp_server *server) {
    if (server->sweep != NULL) {
        server->door.host->timer_stop(server->door.plugin, &server->sweep);
    }
}
