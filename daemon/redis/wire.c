#include "redis/wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <uv.h>

#include "base/alloc.h"
#include "redis/tls.h"

#define INPUT_SIZE 65536 /* a list of a thousand members is 200 kB */
#define READS_MAX 32     /* in one turn, as in libuv */

struct mu_wire {
    struct mu_wire_options options;
    struct mu_stream *stream;
    struct mu_tls *tls; /* NULL: plain text */
    uv_write_t write;
    bool writing;
    bool heard;   /* something that was not TLS's own */
    bool stopped; /* reading */
    bool held;    /* the same, but for mu_wire_read() */
    bool closing;
    struct mu_buffer output; /* being written */
    struct mu_buffer cipher; /* between tls and output */
    char input[INPUT_SIZE];
    void (*closed)(void *context);
    void *closed_context;
};

/* ---- writing ---- */

static void flush(struct mu_wire *self);

static void write_failed(struct mu_wire *self, int result) {
    struct mu_error error;
    if (self->tls && !self->heard) {
        return;
    }
    mu_error_set(&error, MUSTER_UNAVAILABLE, "%s", uv_strerror(result));
    self->options.on_write_failed(self->options.context, &error);
}

static void written(uv_write_t *request, int status) {
    struct mu_wire *self = request->data;
    self->writing = false;
    mu_buffer_clear(&self->output); /* a password, or resume secrets: overwritten */
    if (self->closing) {
        return;
    }
    if (status < 0) {
        write_failed(self, status);
        return;
    }
    flush(self);
    self->options.on_written(self->options.context);
}

static void write_raw(struct mu_wire *self, struct mu_buffer *data) {
    size_t done = 0;
    uv_buf_t buffer = uv_buf_init(data->data, (unsigned)data->length);
    int result = uv_try_write(&self->stream->as.stream, &buffer, 1);
    if (result >= 0) {
        done = (size_t)result;
    } else if (result != UV_EAGAIN) {
        write_failed(self, result);
        return;
    }
    if (done == data->length) {
        return;
    }
    /* The memory changes places, so that the owner goes on with an empty buffer at once. */
    struct mu_buffer spare = self->output;
    self->output = *data;
    *data = spare;
    buffer = uv_buf_init(self->output.data + done, (unsigned)(self->output.length - done));
    self->write.data = self;
    result = uv_write(&self->write, &self->stream->as.stream, &buffer, 1, written);
    if (result < 0) {
        write_failed(self, result);
        return;
    }
    self->writing = true;
}

/* What TLS has for the socket; if the last write is not through it goes when that is. */
static void flush(struct mu_wire *self) {
    if (self->tls && !self->writing && !self->closing) {
        mu_tls_take(self->tls, &self->cipher);
        if (self->cipher.length > 0) {
            write_raw(self, &self->cipher);
            mu_buffer_clear(&self->cipher);
        }
    }
}

void mu_wire_write(struct mu_wire *self, struct mu_buffer *data) {
    struct mu_error error;
    if (!self->tls) {
        write_raw(self, data);
    } else if (mu_tls_write(self->tls, data->data, data->length, &error) != MUSTER_OK) {
        self->options.on_write_failed(self->options.context, &error);
    } else {
        flush(self);
    }
}

/* ---- reading ---- */

static bool goes_on(const struct mu_wire *self) {
    return !self->closing && !self->stopped;
}

static void ended(struct mu_wire *self, const struct mu_error *reason) {
    self->stopped = true;
    uv_read_stop(&self->stream->as.stream);
    self->options.on_end(self->options.context, reason);
}

static void hand_over(struct mu_wire *self, size_t length) {
    self->heard = true;
    self->options.on_bytes(self->options.context, self->input, length);
    explicit_bzero(self->input, length);
}

/* Ciphertext stands in the input, which is then used for the plaintext. */
static void decrypt(struct mu_wire *self, size_t length) {
    struct mu_error error;
    bool was_open = mu_tls_established(self->tls);
    if (mu_tls_feed(self->tls, self->input, length, &error) != MUSTER_OK) {
        ended(self, &error);
        return;
    }
    flush(self); /* our part of the handshake */
    if (!was_open && mu_tls_established(self->tls)) {
        self->options.on_open(self->options.context);
    }
    while (goes_on(self)) {
        size_t got = 0;
        if (mu_tls_read(self->tls, self->input, sizeof self->input, &got, &error) != MUSTER_OK) {
            ended(self, &error);
            return;
        }
        if (got == 0) {
            flush(self); /* new keys, say */
            return;
        }
        hand_over(self, got);
    }
}

/* What a read brought: bytes in the input, or the number of an error. */
static void took_in(struct mu_wire *self, ssize_t count) {
    if (count > 0 && self->tls) {
        decrypt(self, (size_t)count);
        return;
    }
    if (count > 0) {
        hand_over(self, (size_t)count);
        return;
    }
    const char *reason =
        count == UV_EOF ? "the server closed the connection" : uv_strerror((int)count);
    struct mu_error error;
    if (self->tls && !self->heard) {
        mu_tls_lost(self->tls, reason, &error);
    } else {
        mu_error_set(&error, MUSTER_UNAVAILABLE, "%s", reason);
    }
    ended(self, &error);
}

static void read_input(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer) {
    struct mu_wire *self = stream->data;
    (void)buffer; /* is the input */
    if (goes_on(self) && count != 0) {
        took_in(self, count);
    }
}

static void give_input(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer) {
    struct mu_wire *self = handle->data;
    (void)suggested;
    *buffer = uv_buf_init(self->input, sizeof self->input);
}

void mu_wire_hold(struct mu_wire *self, bool held) {
    if (!goes_on(self) || self->held == held) {
        return;
    }
    self->held = held;
    if (held) {
        uv_read_stop(&self->stream->as.stream);
    } else {
        /* It was started before: nothing is left that could fail. */
        (void)uv_read_start(&self->stream->as.stream, give_input, read_input);
    }
}

/* 0: there is nothing. */
static ssize_t receive(struct mu_wire *self) {
    uv_os_fd_t socket = -1;
    ssize_t count = uv_fileno(&self->stream->as.handle, &socket);
    if (count < 0) {
        return count;
    }
    do {
        count = recv(socket, self->input, sizeof self->input, MSG_DONTWAIT);
    } while (count < 0 && errno == EINTR);
    if (count < 0) {
        return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : uv_translate_sys_error(errno);
    }
    return count == 0 ? UV_EOF : count;
}

bool mu_wire_read(struct mu_wire *self) {
    bool any = false;
    for (int i = 0; i < READS_MAX && self->held && goes_on(self); i++) {
        ssize_t count = receive(self);
        if (count == 0) {
            break;
        }
        any = true;
        took_in(self, count);
        if (count < (ssize_t)sizeof self->input) {
            break; /* what comes from now on is for the next time */
        }
    }
    return any;
}

/* ---- life ---- */

struct mu_wire *mu_wire_create(struct mu_stream *stream, const struct mu_redis_address *address,
                               const struct mu_wire_options *options, struct mu_error *error) {
    struct mu_wire *self = mu_calloc(1, sizeof *self);
    self->options = *options;
    self->stream = stream;
    stream->as.handle.data = self;
    mu_buffer_init(&self->output, 0);
    mu_buffer_init(&self->cipher, 0);
    int result = uv_read_start(&stream->as.stream, give_input, read_input);
    if (result < 0) {
        mu_error_set(error, MUSTER_UNAVAILABLE, "%s", uv_strerror(result));
        mu_wire_close(&self, NULL, NULL);
        return NULL;
    }
    if (address->tls) {
        self->tls = mu_tls_create(address, error);
        if (!self->tls) {
            mu_wire_close(&self, NULL, NULL);
            return NULL;
        }
        flush(self);
    }
    return self;
}

bool mu_wire_is_open(const struct mu_wire *self) {
    return !self->tls || mu_tls_established(self->tls);
}

bool mu_wire_can_write(const struct mu_wire *self) {
    return mu_wire_is_open(self) && !self->writing;
}

void mu_wire_stop(struct mu_wire *self) {
    self->stopped = true;
    uv_read_stop(&self->stream->as.stream);
}

void mu_wire_late(const struct mu_wire *self, const char *what, unsigned long long ms,
                  struct mu_error *error) {
    if (mu_wire_is_open(self)) {
        mu_error_set(error, MUSTER_UNAVAILABLE, "connected, but no answer to %s in %llu ms", what,
                     ms);
    } else {
        mu_tls_late(ms, error);
    }
}

static void stream_closed(uv_handle_t *handle) {
    struct mu_wire *self = handle->data;
    void (*closed)(void *context) = self->closed;
    void *context = self->closed_context;
    mu_tls_destroy(&self->tls);
    mu_buffer_deinit(&self->output);
    mu_buffer_deinit(&self->cipher);
    free(self->stream);
    free(self);
    if (closed) {
        closed(context);
    }
}

/* A goodbye, or the alert that says why. */
static void say_last(struct mu_wire *self) {
    if (self->tls && !self->writing) {
        mu_tls_end(self->tls);
        mu_tls_take(self->tls, &self->cipher);
        uv_buf_t buffer = uv_buf_init(self->cipher.data, (unsigned)self->cipher.length);
        if (self->cipher.length > 0) {
            (void)uv_try_write(&self->stream->as.stream, &buffer, 1);
        }
    }
}

void mu_wire_close(struct mu_wire **wire, void (*closed)(void *context), void *context) {
    struct mu_wire *self = *wire;
    *wire = NULL;
    self->closing = true;
    self->closed = closed;
    self->closed_context = context;
    say_last(self);
    uv_read_stop(&self->stream->as.stream);
    uv_close(&self->stream->as.handle, stream_closed);
}
