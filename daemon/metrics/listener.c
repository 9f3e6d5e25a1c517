#include "metrics/listener.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "metrics/http.h"

#define BACKLOG 32
#define WHY_SIZE 256
#define BODY_MAX ((size_t)8 << 20)

struct peer {
    uv_tcp_t socket;
    uv_timer_t deadline;
    unsigned handles; /* open ones of the two */
    struct mu_scrape *listener;
    struct peer *next;
    struct peer **link;
    bool answered; /* what still comes is thrown away */
    size_t length;
    char request[MU_HTTP_REQUEST_MAX];
    struct mu_buffer answer;
    uv_write_t write;
    uv_shutdown_t shutdown;
};

struct mu_scrape {
    struct mu_scrape_options options;
    uv_tcp_t socket;
    bool closing;
    unsigned holds; /* its socket, and the peers */
    struct peer *peers;
    struct muster_metric *refused;
};

/* ---- memory ---- */

static void drop(struct mu_scrape *self) {
    if (--self->holds == 0) {
        free(self);
    }
}

static void on_peer_closed(uv_handle_t *handle) {
    struct peer *peer = handle->data;
    if (--peer->handles == 0) {
        mu_buffer_deinit(&peer->answer);
        drop(peer->listener);
        free(peer);
    }
}

static void close_peer(struct peer *peer) {
    if (peer->link == NULL) {
        return; /* it is closing */
    }
    *peer->link = peer->next;
    if (peer->next != NULL) {
        peer->next->link = peer->link;
    }
    peer->link = NULL;
    uv_close((uv_handle_t *)&peer->socket, on_peer_closed);
    uv_close((uv_handle_t *)&peer->deadline, on_peer_closed);
}

/* ---- answering ---- */

static void on_shutdown(uv_shutdown_t *request, int status) {
    if (status != 0) {
        close_peer(request->data);
    }
}

/* The answer is out; closing now might take it back from a peer that still sends. */
static void on_written(uv_write_t *request, int status) {
    struct peer *peer = request->data;
    peer->shutdown.data = peer;
    if (status != 0 || peer->link == NULL ||
        uv_shutdown(&peer->shutdown, (uv_stream_t *)&peer->socket, on_shutdown) != 0) {
        close_peer(peer);
    }
}

static void count(struct mu_scrape *self, unsigned status, int64_t amount) {
    char label[24];
    snprintf(label, sizeof label, "code=\"%u\"", status);
    mu_metric_add(mu_metrics_get(self->options.metrics, MUSTER_COUNTER,
                                 "muster_metrics_http_answers_total", label,
                                 "Answers of metrics.listen, by status"),
                  amount);
}

/* What is asked for; the status may become 503. */
static bool fill(struct mu_scrape *self, enum mu_http_path path, unsigned *status,
                 struct mu_buffer *body) {
    char why[WHY_SIZE] = "";
    switch (path) {
    case MU_HTTP_METRICS:
        return mu_metrics_print(self->options.metrics, body);
    case MU_HTTP_READYZ:
        if (!self->options.ready(self->options.context, why, sizeof why)) {
            *status = 503;
            return mu_buffer_printf(body, "%s\n", why);
        }
        break;
    case MU_HTTP_HEALTHZ:
        break;
    }
    return mu_buffer_append_text(body, "ok\n");
}

static void answer(struct peer *peer, unsigned status, const struct mu_http_request *request) {
    struct mu_scrape *self = peer->listener;
    struct mu_buffer body;
    mu_buffer_init(&body, BODY_MAX);
    bool filled = status == 200 ? fill(self, request->path, &status, &body)
                                : mu_buffer_printf(&body, "%s\n", mu_http_status(status));
    count(self, status, 1);
    peer->answered = true;
    uv_buf_t bytes;
    bool whole =
        filled && mu_http_answer(&peer->answer, status, request->head, body.data, body.length);
    mu_buffer_deinit(&body);
    peer->write.data = peer;
    bytes = uv_buf_init(peer->answer.data, (unsigned)peer->answer.length);
    if (!whole ||
        uv_write(&peer->write, (uv_stream_t *)&peer->socket, &bytes, 1, on_written) != 0) {
        close_peer(peer);
    }
}

/* ---- reading ---- */

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer) {
    struct peer *peer = handle->data;
    (void)suggested;
    if (peer->answered) { /* what was read is not needed any more */
        *buffer = uv_buf_init(peer->request, sizeof peer->request);
    } else {
        *buffer = uv_buf_init(peer->request + peer->length,
                              (unsigned)(sizeof peer->request - peer->length));
    }
}

static void on_read(uv_stream_t *stream, ssize_t length, const uv_buf_t *buffer) {
    struct peer *peer = stream->data;
    struct mu_http_request request = {0};
    (void)buffer;
    if (length < 0) {
        close_peer(peer);
    } else if (!peer->answered) {
        peer->length += (size_t)length;
        unsigned status =
            mu_http_read(peer->request, peer->length, peer->listener->options.any_host, &request);
        if (status != 0) {
            answer(peer, status, &request);
        }
    }
}

static void on_deadline(uv_timer_t *timer) {
    close_peer(timer->data);
}

static void on_connection(uv_stream_t *stream, int status) {
    struct mu_scrape *self = stream->data;
    if (status != 0 || self->closing) {
        return;
    }
    struct peer *peer = mu_calloc(1, sizeof *peer);
    peer->listener = self;
    mu_buffer_init(&peer->answer, 0);
    uv_tcp_init(self->options.loop, &peer->socket);
    uv_timer_init(self->options.loop, &peer->deadline);
    peer->socket.data = peer;
    peer->deadline.data = peer;
    peer->handles = 2;
    peer->next = self->peers;
    if (peer->next != NULL) {
        peer->next->link = &peer->next;
    }
    peer->link = &self->peers;
    self->peers = peer;
    bool room = self->holds - 1 < MU_HTTP_CONNECTIONS;
    self->holds++;
    if (uv_accept(stream, (uv_stream_t *)&peer->socket) != 0 || !room) {
        mu_metric_add(self->refused, 1);
        close_peer(peer);
        return;
    }
    uv_timer_start(&peer->deadline, on_deadline, MU_HTTP_TIMEOUT_MS, 0);
    uv_read_start((uv_stream_t *)&peer->socket, on_room, on_read);
}

/* ---- life ---- */

static void on_closed(uv_handle_t *handle) {
    drop(handle->data);
}

struct mu_scrape *mu_scrape_create(const struct mu_scrape_options *options,
                                   struct mu_error *error) {
    struct mu_endpoint endpoint;
    if (!mu_endpoint_read(options->address, &endpoint)) {
        mu_error_set(error, MUSTER_BAD_REQUEST, "'%s' is no address", options->address);
        return NULL;
    }
    struct mu_scrape *self = mu_calloc(1, sizeof *self);
    self->options = *options;
    self->holds = 1;
    uv_tcp_init(options->loop, &self->socket);
    self->socket.data = self;
    int result = uv_tcp_bind(&self->socket, (const struct sockaddr *)&endpoint.address, 0);
    if (result == 0) {
        result = uv_listen((uv_stream_t *)&self->socket, BACKLOG, on_connection);
    }
    if (result != 0) {
        mu_error_set(error, MUSTER_UNAVAILABLE, "%s: %s", options->address, uv_strerror(result));
        mu_scrape_close(&self);
        return NULL;
    }
    self->refused =
        mu_metrics_get(options->metrics, MUSTER_COUNTER, "muster_metrics_http_refused_total", NULL,
                       "Connections to metrics.listen that no room was for");
    count(self, 200, 0); /* the series is there from the first scrape on */
    return self;
}

void mu_scrape_address(const struct mu_scrape *self, char *out, size_t size) {
    struct sockaddr_storage bound = {0};
    int length = sizeof bound;
    char host[INET6_ADDRSTRLEN] = "";
    if (uv_tcp_getsockname(&self->socket, (struct sockaddr *)&bound, &length) != 0) {
        snprintf(out, size, "%s", self->options.address);
    } else if (bound.ss_family == AF_INET6) {
        const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)(const void *)&bound;
        uv_ip6_name(six, host, sizeof host);
        snprintf(out, size, "[%s]:%u", host, (unsigned)ntohs(six->sin6_port));
    } else {
        const struct sockaddr_in *four = (const struct sockaddr_in *)(const void *)&bound;
        uv_ip4_name(four, host, sizeof host);
        snprintf(out, size, "%s:%u", host, (unsigned)ntohs(four->sin_port));
    }
}

void mu_scrape_close(struct mu_scrape **listener) {
    struct mu_scrape *self = *listener;
    *listener = NULL;
    if (self == NULL) {
        return;
    }
    self->closing = true;
    while (self->peers != NULL) {
        close_peer(self->peers);
    }
    uv_close((uv_handle_t *)&self->socket, on_closed);
}
