#include "redis/dial.h"

#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/alloc.h"

#define KEEPALIVE_SECONDS 15

/* One getaddrinfo() in the pool. */
struct resolution {
    uv_getaddrinfo_t request;
    struct mu_dialer *owner; /* NULL: nobody waits any more */
    char *host;
    uint16_t port;
};

struct mu_dialer {
    uv_loop_t *loop;
    uv_timer_t timer;
    mu_dial_cb done;
    void *context;
    bool busy;
    uint64_t timeout_ms;
    const struct mu_redis_address *address; /* while busy */
    struct resolution *resolution;          /* under way, perhaps of an earlier attempt */
    struct addrinfo *found;                 /* what it gave; ours */
    struct addrinfo *next;                  /* the one to try next */
    struct mu_stream *stream;               /* being connected */
    struct mu_error error;                  /* of the last address tried */
    void (*closed)(void *context);
    void *closed_context;
};

static void try_next(struct mu_dialer *self);
static void resolve(struct mu_dialer *self);

static void stream_closed(uv_handle_t *handle) {
    free(handle->data);
}

static void drop_stream(struct mu_dialer *self) {
    struct mu_stream *stream = self->stream;
    self->stream = NULL;
    if (stream) {
        stream->connect.data = NULL;
        stream->as.handle.data = stream;
        uv_close(&stream->as.handle, stream_closed);
    }
}

static void forget(struct mu_dialer *self) {
    self->busy = false;
    uv_timer_stop(&self->timer);
    drop_stream(self);
    uv_freeaddrinfo(self->found);
    self->found = NULL;
    self->next = NULL;
    self->address = NULL;
}

static void fail(struct mu_dialer *self) {
    forget(self);
    struct mu_error error = self->error;
    self->done(self->context, NULL, &error);
}

static void timed_out(uv_timer_t *timer) {
    struct mu_dialer *self = timer->data;
    mu_error_set(&self->error, MUSTER_UNAVAILABLE, "%s in %llu ms",
                 self->stream ? "no connection" : "the name was not resolved",
                 (unsigned long long)self->timeout_ms);
    if (!self->stream) {
        fail(self); /* the resolution goes on and may serve the next attempt */
        return;
    }
    drop_stream(self);
    try_next(self);
}

static void connected(uv_connect_t *request, int status) {
    struct mu_dialer *self = request->data;
    if (!self) {
        return; /* abandoned; the stream is closing */
    }
    if (status < 0) {
        mu_error_set(&self->error, MUSTER_UNAVAILABLE, "%s", uv_strerror(status));
        drop_stream(self);
        try_next(self);
        return;
    }
    struct mu_stream *stream = self->stream;
    self->stream = NULL;
    if (stream->as.handle.type == UV_TCP) {
        uv_tcp_nodelay(&stream->as.tcp, 1);
        uv_tcp_keepalive(&stream->as.tcp, 1, KEEPALIVE_SECONDS);
    }
    forget(self);
    self->done(self->context, stream, NULL);
}

static struct mu_stream *new_stream(struct mu_dialer *self, bool tcp) {
    struct mu_stream *stream = mu_calloc(1, sizeof *stream);
    if (tcp) {
        uv_tcp_init(self->loop, &stream->as.tcp);
    } else {
        uv_pipe_init(self->loop, &stream->as.pipe, 0);
    }
    stream->as.handle.data = stream;
    stream->connect.data = self;
    self->stream = stream;
    uv_timer_start(&self->timer, timed_out, self->timeout_ms, 0);
    return stream;
}

/* True: under way. False: refused at once, the reason is in `error`. */
static bool try_tcp(struct mu_dialer *self, const struct sockaddr *where) {
    struct mu_stream *stream = new_stream(self, true);
    int result = uv_tcp_connect(&stream->connect, &stream->as.tcp, where, connected);
    if (result < 0) {
        mu_error_set(&self->error, MUSTER_UNAVAILABLE, "%s", uv_strerror(result));
        drop_stream(self);
        return false;
    }
    return true;
}

static void try_next(struct mu_dialer *self) {
    while (self->next) {
        struct addrinfo *this = self->next;
        self->next = this->ai_next;
        if (try_tcp(self, this->ai_addr)) {
            return;
        }
    }
    fail(self);
}

static void resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *found) {
    struct resolution *resolution = request->data;
    struct mu_dialer *self = resolution->owner;
    bool wanted = false;
    if (self) {
        self->resolution = NULL;
        /* A resolution of an earlier attempt may have been for another name. */
        if (self->busy && self->address->host && !self->stream) {
            wanted = strcmp(self->address->host, resolution->host) == 0 &&
                     self->address->port == resolution->port;
            if (!wanted) {
                resolve(self);
            }
        }
    }
    free(resolution->host);
    free(resolution);
    if (!wanted) {
        uv_freeaddrinfo(found);
    } else if (status < 0) {
        mu_error_set(&self->error, MUSTER_UNAVAILABLE, "the name does not resolve: %s",
                     uv_strerror(status));
        fail(self);
    } else {
        self->found = found;
        self->next = found;
        mu_error_set(&self->error, MUSTER_UNAVAILABLE, "the name resolves to no address");
        try_next(self);
    }
}

static void resolve(struct mu_dialer *self) {
    if (self->resolution) {
        return; /* one that outlived its attempt: wait for it */
    }
    struct resolution *resolution = mu_calloc(1, sizeof *resolution);
    resolution->owner = self;
    resolution->host = mu_strdup(self->address->host);
    resolution->port = self->address->port;
    resolution->request.data = resolution;
    char port[8];
    snprintf(port, sizeof port, "%u", (unsigned)self->address->port);
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    int result =
        uv_getaddrinfo(self->loop, &resolution->request, resolved, resolution->host, port, &hints);
    if (result < 0) {
        free(resolution->host);
        free(resolution);
        mu_error_set(&self->error, MUSTER_UNAVAILABLE, "the name does not resolve: %s",
                     uv_strerror(result));
        fail(self);
        return;
    }
    self->resolution = resolution;
}

static void dial_unix(struct mu_dialer *self) {
    if (strlen(self->address->path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path)) {
        mu_error_set(&self->error, MUSTER_UNAVAILABLE,
                     "the path of a unix socket may have 107 bytes at most");
        fail(self);
        return;
    }
    struct mu_stream *stream = new_stream(self, false);
    uv_pipe_connect(&stream->connect, &stream->as.pipe, self->address->path, connected);
}

struct mu_dialer *mu_dialer_create(uv_loop_t *loop, mu_dial_cb done, void *context) {
    struct mu_dialer *self = mu_calloc(1, sizeof *self);
    self->loop = loop;
    self->done = done;
    self->context = context;
    uv_timer_init(loop, &self->timer);
    self->timer.data = self;
    return self;
}

void mu_dialer_dial(struct mu_dialer *self, const struct mu_redis_address *address,
                    uint64_t timeout_ms) {
    self->busy = true;
    self->address = address;
    self->timeout_ms = timeout_ms;
    if (address->path) {
        dial_unix(self);
        return;
    }
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    const struct sockaddr *numeric = NULL;
    if (uv_ip4_addr(address->host, address->port, &v4) == 0) {
        numeric = (const struct sockaddr *)&v4;
    } else if (uv_ip6_addr(address->host, address->port, &v6) == 0) {
        numeric = (const struct sockaddr *)&v6;
    }
    if (!numeric) {
        uv_timer_start(&self->timer, timed_out, timeout_ms, 0);
        resolve(self);
    } else if (!try_tcp(self, numeric)) {
        fail(self);
    }
}

void mu_dialer_cancel(struct mu_dialer *self) {
    forget(self);
}

static void dialer_closed(uv_handle_t *handle) {
    struct mu_dialer *self = handle->data;
    void (*closed)(void *context) = self->closed;
    void *context = self->closed_context;
    free(self);
    closed(context);
}

void mu_dialer_close(struct mu_dialer **dialer, void (*closed)(void *context), void *context) {
    struct mu_dialer *self = *dialer;
    *dialer = NULL;
    forget(self);
    if (self->resolution) {
        self->resolution->owner = NULL;
        uv_cancel((uv_req_t *)&self->resolution->request);
    }
    self->closed = closed;
    self->closed_context = context;
    uv_close((uv_handle_t *)&self->timer, dialer_closed);
}
