/* tls_pipe.c - a thread between hiredis and Redis.
 *
 * The way through: resolve - connect - handshake - PING and its answer, all in the caller's thread;
 * then a thread of its own carries bytes both ways, until hiredis's end is closed. It owns all that
 * it uses, so nobody waits for it.
 *
 * Ways to fail: before the thread runs each is a sentence for the caller. Afterwards the end of the
 * far side, or TLS that breaks, is an end of the stream to hiredis, once it has read what came
 * before; what it still writes then is taken and thrown away, so that it gets no SIGPIPE. Who reads
 * slowly holds the other side back: BUFFER_LIMIT bounds what waits in either direction.
 */
#include "redis/tls_pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "redis/tls.h"

#define CHUNK 65536
#define BUFFER_LIMIT (1024 * 1024)
#define KEEPALIVE_SECONDS 15

struct pump {
    int near; /* our end of the pair */
    int far;  /* the socket to Redis */
    struct mu_tls *tls;
    struct mu_buffer to_near;
    struct mu_buffer to_far;
    bool far_ended;
};

static uint64_t now_ms(void) {
    return mu_clock_monotonic_us() / 1000;
}

static enum muster_status say(struct mu_error *error, const char *sentence) {
    return mu_error_set(error, MUSTER_UNAVAILABLE, "%s", sentence);
}

/* ---- connecting ---- */

/* False when the time is over. */
static bool wait_for(int fd, short events, uint64_t deadline) {
    for (;;) {
        uint64_t now = now_ms();
        struct pollfd poll_fd = {.fd = fd, .events = events};
        int ready = now < deadline ? poll(&poll_fd, 1, (int)(deadline - now)) : 0;
        if (ready > 0 || (ready == 0 && now_ms() >= deadline)) {
            return ready > 0;
        }
        if (ready < 0 && errno != EINTR) {
            return false;
        }
    }
}

static int connect_one(const struct addrinfo *to, uint64_t timeout_ms, struct mu_error *error) {
    int reason = 0;
    socklen_t size = sizeof reason;
    int fd = socket(to->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        say(error, strerror(errno));
        return -1;
    }
    if (connect(fd, to->ai_addr, to->ai_addrlen) != 0 && errno != EINPROGRESS) {
        reason = errno;
    } else if (!wait_for(fd, POLLOUT, now_ms() + timeout_ms)) {
        reason = ETIMEDOUT;
    } else {
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &reason, &size);
    }
    if (reason != 0) {
        say(error, strerror(reason));
        close(fd);
        return -1;
    }
    int on = 1;
    int seconds = KEEPALIVE_SECONDS;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &seconds, sizeof seconds);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &seconds, sizeof seconds);
    return fd;
}

static int connect_any(const struct mu_redis_address *address, uint64_t timeout_ms,
                       struct mu_error *error) {
    char port[8];
    struct addrinfo *found = NULL;
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    int fd = -1;
    snprintf(port, sizeof port, "%u", (unsigned)address->port);
    int result = getaddrinfo(address->host, port, &hints, &found);
    if (result != 0) {
        mu_error_set(error, MUSTER_UNAVAILABLE, "the name does not resolve: %s",
                     gai_strerror(result));
        return -1;
    }
    for (const struct addrinfo *to = found; to != NULL && fd < 0; to = to->ai_next) {
        fd = connect_one(to, timeout_ms, error);
    }
    freeaddrinfo(found);
    return fd;
}

/* ---- the handshake ---- */

/* Sends what lies there. A failure is left to the reading, where the server's reason may be. */
static void send_all(struct pump *self, uint64_t deadline) {
    mu_tls_take(self->tls, &self->to_far);
    while (self->to_far.length > 0) {
        ssize_t sent = send(self->far, self->to_far.data, self->to_far.length, MSG_NOSIGNAL);
        if (sent > 0) {
            mu_buffer_consume(&self->to_far, (size_t)sent);
        } else if (errno != EINTR && (errno != EAGAIN || !wait_for(self->far, POLLOUT, deadline))) {
            mu_buffer_clear(&self->to_far);
        }
    }
}

/* One portion of what the server says. */
static enum muster_status receive(struct pump *self, unsigned long long timeout_ms,
                                  uint64_t deadline, struct mu_error *error) {
    char bytes[16384];
    if (!wait_for(self->far, POLLIN, deadline)) {
        return mu_tls_established(self->tls)
                   ? mu_error_set(error, MUSTER_UNAVAILABLE,
                                  "connected, but no answer to a PING in %llu ms", timeout_ms)
                   : mu_tls_late(timeout_ms, error);
    }
    ssize_t got = recv(self->far, bytes, sizeof bytes, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return MUSTER_OK;
    }
    if (got <= 0) {
        return mu_tls_lost(self->tls,
                           got == 0 ? "the server closed the connection" : strerror(errno), error);
    }
    enum muster_status status = mu_tls_feed(self->tls, bytes, (size_t)got, error);
    send_all(self, deadline);
    return status;
}

/* PING is answered with one line, whatever it says: what a refusal means shows at the log-in. */
static enum muster_status shake_hands(struct pump *self, uint64_t timeout_ms,
                                      struct mu_error *error) {
    static const char ping[] = "*1\r\n$4\r\nPING\r\n";
    uint64_t deadline = now_ms() + timeout_ms;
    enum muster_status status = MUSTER_OK;
    char answer[4096] = "";
    size_t got = 0;
    send_all(self, deadline);
    while (status == MUSTER_OK && !mu_tls_established(self->tls)) {
        status = receive(self, timeout_ms, deadline, error);
    }
    if (status == MUSTER_OK) {
        status = mu_tls_write(self->tls, ping, sizeof ping - 1, error);
        send_all(self, deadline);
    }
    while (status == MUSTER_OK && memchr(answer, '\n', got) == NULL) {
        status = mu_tls_read(self->tls, answer, sizeof answer, &got, error);
        if (status == MUSTER_OK && got == 0) {
            status = receive(self, timeout_ms, deadline, error);
        }
    }
    return status;
}

/* ---- carrying ---- */

static void end(struct pump *self) {
    if (self->near >= 0) {
        close(self->near);
    }
    if (self->far >= 0) {
        close(self->far);
    }
    mu_tls_destroy(&self->tls);
    mu_buffer_clear(&self->to_near);
    mu_buffer_deinit(&self->to_near);
    mu_buffer_deinit(&self->to_far);
    free(self);
}

static void drain(int fd, struct mu_buffer *buffer, bool *broken) {
    if (buffer->length > 0) {
        ssize_t sent = send(fd, buffer->data, buffer->length, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent > 0) {
            mu_buffer_consume(buffer, (size_t)sent);
        } else if (errno != EAGAIN && errno != EINTR) {
            *broken = true;
        }
    }
}

/* False when hiredis has closed its end. */
static bool from_near(struct pump *self) {
    char bytes[CHUNK];
    ssize_t got = recv(self->near, bytes, sizeof bytes, MSG_DONTWAIT);
    if (got <= 0) {
        return got < 0 && (errno == EAGAIN || errno == EINTR);
    }
    if (!self->far_ended) {
        self->far_ended = mu_tls_write(self->tls, bytes, (size_t)got, NULL) != MUSTER_OK;
        mu_tls_take(self->tls, &self->to_far);
    }
    explicit_bzero(bytes, (size_t)got);
    return true;
}

static void decrypt(struct pump *self) {
    char bytes[CHUNK];
    size_t got = 0;
    do {
        if (mu_tls_read(self->tls, bytes, sizeof bytes, &got, NULL) != MUSTER_OK) {
            self->far_ended = true;
        }
        if (!mu_buffer_append(&self->to_near, bytes, got)) {
            abort(); /* unbounded: only for want of memory */
        }
    } while (got > 0);
    explicit_bzero(bytes, sizeof bytes);
    mu_tls_take(self->tls, &self->to_far);
}

static void from_far(struct pump *self) {
    char bytes[CHUNK];
    ssize_t got = recv(self->far, bytes, sizeof bytes, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (got <= 0 || mu_tls_feed(self->tls, bytes, (size_t)got, NULL) != MUSTER_OK) {
        self->far_ended = true;
        return;
    }
    decrypt(self);
}

static bool step(struct pump *self, bool *told) {
    if (self->far_ended && self->to_near.length == 0 && !*told) {
        shutdown(self->near, SHUT_WR);
        *told = true;
    }
    bool room_far = self->far_ended || self->to_far.length < BUFFER_LIMIT;
    bool room_near = self->to_near.length < BUFFER_LIMIT;
    struct pollfd fds[2] = {
        {.fd = self->near,
         .events = (short)((room_far ? POLLIN : 0) | (self->to_near.length > 0 ? POLLOUT : 0))},
        {.fd = self->far_ended ? -1 : self->far,
         .events = (short)((room_near ? POLLIN : 0) | (self->to_far.length > 0 ? POLLOUT : 0))},
    };
    if (poll(fds, 2, -1) < 0 && errno != EINTR) {
        return false;
    }
    bool gone = false;
    if (fds[1].revents & (POLLIN | POLLHUP | POLLERR)) {
        from_far(self);
    }
    if (fds[0].revents & (POLLIN | POLLHUP | POLLERR) && !from_near(self)) {
        return false;
    }
    drain(self->far, &self->to_far, &self->far_ended);
    drain(self->near, &self->to_near, &gone);
    return !gone;
}

static void *carry(void *context) {
    struct pump *self = context;
    bool told = false; /* hiredis, that there is no more */
    while (step(self, &told)) {
    }
    mu_tls_end(self->tls);
    mu_tls_take(self->tls, &self->to_far);
    drain(self->far, &self->to_far, &self->far_ended);
    end(self);
    return NULL;
}

/* Signals are for the threads of the program. */
static bool start(struct pump *self) {
    pthread_t thread;
    sigset_t every;
    sigset_t before;
    sigfillset(&every);
    pthread_sigmask(SIG_SETMASK, &every, &before);
    int result = pthread_create(&thread, NULL, carry, self);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return result == 0 && pthread_detach(thread) == 0;
}

redisContext *mu_tls_pipe_connect(const struct mu_redis_address *address, uint64_t timeout_ms,
                                  struct mu_error *error) {
    int ends[2] = {-1, -1};
    struct pump *self = mu_calloc(1, sizeof *self);
    mu_buffer_init(&self->to_near, 0);
    mu_buffer_init(&self->to_far, 0);
    self->near = -1;
    self->far = connect_any(address, timeout_ms, error);
    self->tls = self->far >= 0 ? mu_tls_create(address, error) : NULL;
    if (self->tls == NULL || shake_hands(self, timeout_ms, error) != MUSTER_OK) {
        end(self);
        return NULL;
    }
    redisContext *redis = NULL;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0) {
        self->near = ends[0];
        redis = redisConnectFd(ends[1]);
    }
    if (redis != NULL && redis->err == 0 && start(self)) {
        return redis;
    }
    say(error, strerror(errno));
    if (redis != NULL) {
        redisFree(redis);
    } else if (ends[1] >= 0) {
        close(ends[1]);
    }
    end(self);
    return NULL;
}
