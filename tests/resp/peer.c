#include "resp/peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/test.h"
#include "lib/wait.h"

enum { CHUNK = 65536 };

static int dial_unix(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return connect(fd, (struct sockaddr *)&address, sizeof address) == 0 ? fd : -1;
}

static int dial_ip(const char *text) {
    const char *colon = strrchr(text, ':');
    assert_non_null(colon);
    in_port_t port = htons((in_port_t)strtoul(colon + 1, NULL, 10));
    if (text[0] == '[') {
        struct sockaddr_in6 six = {
            .sin6_family = AF_INET6, .sin6_port = port, .sin6_addr = in6addr_loopback};
        int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
        return connect(fd, (struct sockaddr *)&six, sizeof six) == 0 ? fd : -1;
    }
    struct sockaddr_in four = {
        .sin_family = AF_INET, .sin_port = port, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return connect(fd, (struct sockaddr *)&four, sizeof four) == 0 ? fd : -1;
}

struct peer *peer_open(struct mt_world *world, const char *address) {
    struct peer *peer = calloc(1, sizeof *peer);
    assert_non_null(peer);
    peer->world = world;
    peer->fd = strncmp(address, "unix://", 7) == 0 ? dial_unix(address + 7) : dial_ip(address);
    if (peer->fd < 0)
        mt_fail(world, "nobody listens at %s: %s", address, strerror(errno));
    assert_int_equal(fcntl(peer->fd, F_SETFL, O_NONBLOCK), 0);
    return peer;
}

void peer_close(struct peer **pointer) {
    struct peer *peer = *pointer;
    *pointer = NULL;
    if (peer != NULL) {
        close(peer->fd);
        free(peer->input);
        free(peer);
    }
}

size_t peer_try_send(struct peer *peer, const char *data, size_t length) {
    ssize_t sent = send(peer->fd, data, length, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN)
        peer->ended = true;
    return sent < 0 ? 0 : (size_t)sent;
}

bool peer_send(struct peer *peer, const char *data, size_t length) {
    struct mt_wait wait = mt_wait_begin(peer->world, "a door that reads", __FILE__, __LINE__);
    while (length > 0 && !peer->ended) {
        size_t sent = peer_try_send(peer, data, length);
        data += sent;
        length -= sent;
        if (sent == 0)
            mt_wait_step(&wait);
    }
    return length == 0;
}

bool peer_say(struct peer *peer, const char *text) {
    return peer_send(peer, text, strlen(text));
}

bool peer_read(struct peer *peer) {
    if (peer->room - peer->length < CHUNK + 1) {
        peer->room = peer->room * 2 + CHUNK + 1;
        peer->input = realloc(peer->input, peer->room);
        assert_non_null(peer->input);
    }
    ssize_t got = recv(peer->fd, peer->input + peer->length, CHUNK, 0);
    if (got == 0 || (got < 0 && errno != EAGAIN))
        peer->ended = true;
    if (got > 0)
        peer->length += (size_t)got;
    peer->input[peer->length] = '\0';
    return got > 0;
}

static void take(struct peer *peer, size_t length) {
    peer->length -= length;
    memmove(peer->input, peer->input + length, peer->length + 1);
}

void peer_expect(struct peer *peer, const char *text) {
    size_t length = strlen(text);
    struct mt_wait wait = mt_wait_begin(peer->world, text, __FILE__, __LINE__);
    while (!peer_read(peer) && peer->length < length && !peer->ended)
        mt_wait_step(&wait);
    while (peer->length < length && !peer->ended) {
        if (!peer_read(peer))
            mt_wait_step(&wait);
    }
    if (peer->length < length || memcmp(peer->input, text, length) != 0)
        mt_fail(peer->world, "the door says '%s', wanted '%s'", peer->input, text);
    take(peer, length);
}

void peer_until(struct peer *peer, const char *text) {
    struct mt_wait wait = mt_wait_begin(peer->world, text, __FILE__, __LINE__);
    const char *found = NULL;
    for (;;) {
        bool more = peer_read(peer);
        found = strstr(peer->input, text);
        if (found != NULL)
            break;
        if (peer->ended)
            mt_fail(peer->world, "the door ended with '%s', wanted '%s'", peer->input, text);
        if (!more)
            mt_wait_step(&wait);
    }
    take(peer, (size_t)(found - peer->input) + strlen(text));
}

void peer_expect_end(struct peer *peer) {
    struct mt_wait wait = mt_wait_begin(peer->world, "the end of a socket", __FILE__, __LINE__);
    while (!peer->ended) {
        if (!peer_read(peer))
            mt_wait_step(&wait);
    }
}

const char *resp_listening(struct mt_world *world, struct mt_process *daemon) {
    json_t *line = mt_daemon_wait(daemon, "plugin.transport_resp.listening");
    const char *text = json_string_value(json_object_get(line, "message"));
    assert_non_null(text);
    const char *address = strstr(text, "address=");
    assert_non_null(address);
    address += strlen("address=");
    size_t skip = strlen(mt_world_dir(world)) + 1; /* all of the world's texts begin with it */
    const char *kept = mt_world_path(world, "%.*s", (int)strcspn(address, " "), address) + skip;
    json_decref(line);
    return kept;
}
