/* listen.c - where the door listens.
 *
 * The happy path: all addresses of the configuration are bound and listened at - a handle is opened
 * for each - stop closes them and removes unix sockets.
 *
 * Ways to fail: an address cannot be read, is taken, or may not be bound (start complains with the
 * place in the configuration; nothing is left open). A daemon that was killed leaves its unix
 * socket behind: one that nobody listens at is replaced.
 *
 * Bound without libuv: a handle that failed half way would have to be closed in a later turn, and
 * after a start that failed there is none.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "server.h"

#define BACKLOG 1024
#define UNIX_PREFIX "unix://"

struct address {
    struct sockaddr_storage storage;
    socklen_t length;
    bool loopback;
};

/* ---- reading addresses ---- */

static bool read_port(const char *text, in_port_t *port) {
    char *end = NULL;
    if (text[0] < '0' || text[0] > '9') {
        return false;
    }
    unsigned long number = strtoul(text, &end, 10);
    *port = htons((in_port_t)number);
    return *end == '\0' && number <= 65535;
}

static bool read_unix(const char *path, struct address *address) {
    struct sockaddr_un *to = (struct sockaddr_un *)(void *)&address->storage;
    size_t length = strlen(path);
    if (path[0] != '/' || length >= sizeof to->sun_path) {
        return false;
    }
    to->sun_family = AF_UNIX;
    memcpy(to->sun_path, path, length + 1);
    address->length = sizeof *to;
    address->loopback = true;
    return true;
}

static bool read_ip(const char *text, struct address *address) {
    char host[64];
    const char *colon = strrchr(text, ':');
    bool six = text[0] == '[';
    size_t length = colon != NULL ? (size_t)(colon - text) : 0;
    if (length < 2 || length >= sizeof host || (six && text[length - 1] != ']')) {
        return false;
    }
    if (six) {
        struct sockaddr_in6 *to = (struct sockaddr_in6 *)(void *)&address->storage;
        snprintf(host, sizeof host, "%.*s", (int)(length - 2), text + 1);
        to->sin6_family = AF_INET6;
        address->length = sizeof *to;
        if (inet_pton(AF_INET6, host, &to->sin6_addr) != 1 ||
            !read_port(colon + 1, &to->sin6_port)) {
            return false;
        }
        address->loopback = IN6_IS_ADDR_LOOPBACK(&to->sin6_addr);
        return true;
    }
    struct sockaddr_in *to = (struct sockaddr_in *)(void *)&address->storage;
    snprintf(host, sizeof host, "%.*s", (int)length, text);
    to->sin_family = AF_INET;
    address->length = sizeof *to;
    if (inet_pton(AF_INET, host, &to->sin_addr) != 1 || !read_port(colon + 1, &to->sin_port)) {
        return false;
    }
    address->loopback = (ntohl(to->sin_addr.s_addr) >> 24) == 127;
    return true;
}

static bool read_address(const char *text, struct address *address) {
    *address = (struct address){0};
    return strncmp(text, UNIX_PREFIX, strlen(UNIX_PREFIX)) == 0
               ? read_unix(text + strlen(UNIX_PREFIX), address)
               : read_ip(text, address);
}

/* ---- binding ---- */

static void remove_stale(const struct address *address) {
    int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (probe < 0) {
        return;
    }
    if (connect(probe, (const struct sockaddr *)&address->storage, address->length) != 0 &&
        errno == ECONNREFUSED) {
        unlink(((const struct sockaddr_un *)(const void *)&address->storage)->sun_path);
    }
    close(probe);
}

/* A listening socket; -1 and errno. */
static int listen_at(const struct address *address, unsigned unix_mode) {
    int family = address->storage.ss_family;
    int on = 1;
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return -1;
    }
    bool fine = true;
    if (family == AF_UNIX) {
        remove_stale(address);
        fine = fchmod(fd, unix_mode) == 0; /* the mode before the name: never open to others */
    } else {
        fine = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0;
    }
    if (fine && family == AF_INET6) {
        fine = setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) == 0;
    }
    if (fine && bind(fd, (const struct sockaddr *)&address->storage, address->length) == 0 &&
        (family != AF_UNIX ||
         chmod(((const struct sockaddr_un *)(const void *)&address->storage)->sun_path,
               unix_mode) == 0) &&
        listen(fd, BACKLOG) == 0) {
        return fd;
    }
    int why = errno;
    close(fd);
    errno = why;
    return -1;
}

/* The address as it was bound: a port 0 has become a real one. */
static void name_bound(struct resp_listener *listener, const struct address *address,
                       const char *text) {
    struct sockaddr_storage storage = {0};
    socklen_t length = sizeof storage;
    char host[INET6_ADDRSTRLEN] = "";
    snprintf(listener->bound, sizeof listener->bound, "%s", text);
    if (address->storage.ss_family == AF_UNIX ||
        getsockname(listener->fd, (struct sockaddr *)&storage, &length) != 0) {
        return;
    }
    if (storage.ss_family == AF_INET6) {
        struct sockaddr_in6 six;
        memcpy(&six, &storage, sizeof six);
        inet_ntop(AF_INET6, &six.sin6_addr, host, sizeof host);
        snprintf(listener->bound, sizeof listener->bound, "[%s]:%u", host,
                 (unsigned)ntohs(six.sin6_port));
    } else {
        struct sockaddr_in four;
        memcpy(&four, &storage, sizeof four);
        inet_ntop(AF_INET, &four.sin_addr, host, sizeof host);
        snprintf(listener->bound, sizeof listener->bound, "%s:%u", host,
                 (unsigned)ntohs(four.sin_port));
    }
}

static void warn_plain(struct resp_server *server, const char *bound) {
    server->door.host->log(
        server->door.plugin, MUSTER_LOG_WARN, "plain",
        "address=%s: everybody on the way can read tokens and profiles; use tls_listen beyond "
        "loopback, and an authorizer",
        bound);
}

static enum muster_status bind_one(struct resp_server *server, const char *place, const char *text,
                                   bool tls, struct muster_complaint *complaint) {
    struct address address;
    if (!read_address(text, &address)) {
        snprintf(complaint->text, sizeof complaint->text,
                 "%s: '%s' is no address; wanted is 127.0.0.1:7411, [::1]:7411 or "
                 "unix:///absolute/path of at most 107 bytes",
                 place, text);
        return MUSTER_BAD_REQUEST;
    }
    int fd = listen_at(&address, server->door.settings.unix_mode);
    if (fd < 0) {
        int why = errno;
        snprintf(complaint->text, sizeof complaint->text, "%s: cannot listen at %s: %s%s", place,
                 text, strerror(why),
                 why == EADDRINUSE ? "; another musterd, or another program, does" : "");
        return MUSTER_UNAVAILABLE;
    }
    struct resp_listener *listener = resp_need(calloc(1, sizeof *listener));
    listener->server = server;
    listener->fd = fd;
    listener->tls = tls;
    listener->next = server->listeners;
    if (address.storage.ss_family == AF_UNIX) {
        listener->path = resp_copy(text + strlen(UNIX_PREFIX), strlen(text + strlen(UNIX_PREFIX)));
    }
    name_bound(listener, &address, text);
    server->listeners = listener;
    if (!tls && !address.loopback) {
        warn_plain(server, listener->bound);
    }
    return MUSTER_OK;
}

static void free_listener(struct resp_listener *listener) {
    if (listener->fd >= 0) {
        close(listener->fd);
    }
    if (listener->path != NULL) {
        unlink(listener->path);
        free(listener->path);
    }
    free(listener);
}

static void unbind_all(struct resp_server *server) {
    while (server->listeners != NULL) {
        struct resp_listener *listener = server->listeners;
        server->listeners = listener->next;
        free_listener(listener);
    }
}

enum muster_status resp_listen_bind(struct resp_server *server,
                                    struct muster_complaint *complaint) {
    static const char *const keys[] = {"listen", "tls_listen"};
    const struct muster_host *host = server->door.host;
    struct muster_plugin *plugin = server->door.plugin;
    enum muster_status status = MUSTER_OK;
    size_t all = 0;
    for (size_t k = 0; k < 2; k++) {
        const struct muster_config *list = host->config_get(plugin, NULL, keys[k]);
        size_t count = host->config_count(plugin, list);
        for (size_t i = 0; i < count && status == MUSTER_OK; i++, all++) {
            const struct muster_config *item = host->config_item(plugin, list, i);
            status = bind_one(server, host->config_place(plugin, item),
                              host->config_text(plugin, item), k == 1, complaint);
        }
    }
    if (status == MUSTER_OK && all == 0) {
        status = bind_one(server, "default", "127.0.0.1:7411", false, complaint);
    }
    if (status != MUSTER_OK) {
        unbind_all(server);
    }
    return status;
}

/* ---- handles ---- */

enum muster_status resp_listen_open(struct resp_server *server,
                                    struct muster_complaint *complaint) {
    int fault = 0;
    for (struct resp_listener *at = server->listeners; at != NULL && fault == 0; at = at->next) {
        if (at->path != NULL) {
            uv_pipe_init(server->loop, &at->pipe, 0);
            fault = uv_pipe_open(&at->pipe, at->fd);
        } else {
            uv_tcp_init(server->loop, &at->tcp);
            fault = uv_tcp_open(&at->tcp, at->fd);
        }
        at->handle.data = at;
        resp_server_hold(server, "listening socket");
        at->fd = fault == 0 ? -1 : at->fd;
        if (fault == 0) {
            fault = uv_listen(&at->stream, BACKLOG, resp_socket_accept);
        }
        if (fault == 0) {
            server->door.host->log(server->door.plugin, MUSTER_LOG_INFO, "listening",
                                   "address=%s tls=%s", at->bound, at->tls ? "yes" : "no");
        }
    }
    if (fault == 0) {
        return MUSTER_OK;
    }
    snprintf(complaint->text, sizeof complaint->text, "cannot listen: %s", uv_strerror(fault));
    return MUSTER_UNAVAILABLE;
}

static void on_closed(uv_handle_t *handle) {
    struct resp_listener *listener = handle->data;
    struct resp_server *server = listener->server;
    free_listener(listener);
    resp_server_release(server, "listening socket");
}

void resp_listen_close(struct resp_server *server) {
    while (server->listeners != NULL) {
        struct resp_listener *listener = server->listeners;
        server->listeners = listener->next;
        if (listener->path != NULL) {
            unlink(listener->path);
            free(listener->path);
            listener->path = NULL;
        }
        uv_close(&listener->handle, on_closed);
    }
}
