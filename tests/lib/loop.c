#include "lib/loop.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/test.h"

enum { TURN_MS = 10, MOST_CLIENTS = 64, FLOOD_BYTES = 1 << 20 };

struct mt_loop {
    struct mt_world *world;
    uv_loop_t uv;
    uv_timer_t tick; /* bounds each turn */
};

struct client {
    uv_tcp_t handle;
    struct mt_peer *peer;
    bool spoken_to;
    char input[4096];
};

struct mt_peer {
    uv_tcp_t listener;
    struct mt_peer_script script;
    struct client *clients[MOST_CLIENTS];
    size_t count;
    char *flood;
};

static void nothing(uv_timer_t *timer) {
    (void)timer;
}

struct mt_loop *mt_loop_create(struct mt_world *world) {
    struct mt_loop *loop = calloc(1, sizeof *loop);
    assert_non_null(loop);
    loop->world = world;
    assert_int_equal(uv_loop_init(&loop->uv), 0);
    assert_int_equal(uv_timer_init(&loop->uv, &loop->tick), 0);
    uv_timer_start(&loop->tick, nothing, TURN_MS, TURN_MS);
    return loop;
}

void mt_loop_destroy(struct mt_loop **pointer) {
    struct mt_loop *loop = *pointer;
    if (loop == NULL)
        return;
    *pointer = NULL;
    struct mt_wait wait = mt_wait_begin(loop->world, "the end of the loop", __FILE__, __LINE__);
    uv_timer_stop(&loop->tick);
    uv_close((uv_handle_t *)&loop->tick, NULL);
    while (uv_run(&loop->uv, UV_RUN_NOWAIT) != 0)
        mt_wait_step(&wait);
    assert_int_equal(uv_loop_close(&loop->uv), 0);
    free(loop);
}

uv_loop_t *mt_loop_uv(struct mt_loop *loop) {
    return &loop->uv;
}

void mt_loop_turn(struct mt_loop *loop, const struct mt_wait *wait) {
    if (mt_now_ms() > wait->deadline)
        mt_fail_at(loop->world, wait->file, wait->line, "waited in vain for %s", wait->what);
    uv_run(&loop->uv, UV_RUN_ONCE);
}

static void client_closed(uv_handle_t *handle) {
    free(handle->data);
}

static void give_input(uv_handle_t *handle, size_t size, uv_buf_t *buffer) {
    struct client *client = handle->data;
    (void)size;
    *buffer = uv_buf_init(client->input, sizeof client->input);
}

static void flooded(uv_write_t *request, int status);

static void flood(struct client *client) {
    uv_write_t *request = malloc(sizeof *request);
    assert_non_null(request);
    request->data = client;
    uv_buf_t buffer = uv_buf_init(client->peer->flood, FLOOD_BYTES);
    if (uv_write(request, (uv_stream_t *)&client->handle, &buffer, 1, flooded) != 0)
        free(request);
}

static void flooded(uv_write_t *request, int status) {
    struct client *client = request->data;
    free(request);
    if (status == 0 && client->peer != NULL)
        flood(client);
}

static void say(struct client *client, const char *text) {
    if (text != NULL) {
        uv_buf_t buffer = uv_buf_init((char *)(uintptr_t)text, (unsigned)strlen(text));
        (void)uv_try_write((uv_stream_t *)&client->handle, &buffer, 1);
    }
}

static void input(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer) {
    struct client *client = stream->data;
    (void)buffer;
    if (count < 0) {
        uv_read_stop(stream);
        return;
    }
    if (count == 0 || client->peer == NULL)
        return;
    bool first = !client->spoken_to;
    client->spoken_to = true;
    say(client, first ? client->peer->script.first : client->peer->script.answer);
    if (first && client->peer->script.flood)
        flood(client);
    uv_os_fd_t fd = -1;
    if (first && client->peer->script.hang_up && uv_fileno((uv_handle_t *)stream, &fd) == 0)
        shutdown(fd, SHUT_RDWR);
}

static void connected(uv_stream_t *listener, int status) {
    struct mt_peer *peer = listener->data;
    if (status < 0 || peer->count == MOST_CLIENTS)
        return;
    struct client *client = calloc(1, sizeof *client);
    assert_non_null(client);
    client->peer = peer;
    uv_tcp_init(listener->loop, &client->handle);
    client->handle.data = client;
    assert_int_equal(uv_accept(listener, (uv_stream_t *)&client->handle), 0);
    peer->clients[peer->count++] = client;
    say(client, peer->script.greeting);
    uv_read_start((uv_stream_t *)&client->handle, give_input, input);
}

struct mt_peer *mt_peer_create(struct mt_loop *loop, const struct mt_peer_script *script) {
    struct mt_peer *peer = calloc(1, sizeof *peer);
    assert_non_null(peer);
    peer->script = *script;
    peer->flood = malloc(FLOOD_BYTES);
    assert_non_null(peer->flood);
    memset(peer->flood, 'x', FLOOD_BYTES);
    struct sockaddr_in where;
    uv_ip4_addr("127.0.0.1", 0, &where);
    uv_tcp_init(&loop->uv, &peer->listener);
    peer->listener.data = peer;
    assert_int_equal(uv_tcp_bind(&peer->listener, (const struct sockaddr *)&where, 0), 0);
    assert_int_equal(uv_listen((uv_stream_t *)&peer->listener, 16, connected), 0);
    return peer;
}

int mt_peer_port(const struct mt_peer *peer) {
    struct sockaddr_in where;
    int size = sizeof where;
    assert_int_equal(uv_tcp_getsockname(&peer->listener, (struct sockaddr *)&where, &size), 0);
    return ntohs(where.sin_port);
}

static void listener_closed(uv_handle_t *handle) {
    struct mt_peer *peer = handle->data;
    free(peer->flood);
    free(peer);
}

void mt_peer_close(struct mt_peer **pointer) {
    struct mt_peer *peer = *pointer;
    if (peer == NULL)
        return;
    *pointer = NULL;
    for (size_t i = 0; i < peer->count; i++) {
        peer->clients[i]->peer = NULL;
        uv_close((uv_handle_t *)&peer->clients[i]->handle, client_closed);
    }
    uv_close((uv_handle_t *)&peer->listener, listener_closed);
}

int mt_free_port(void) {
    struct sockaddr_in where = {.sin_family = AF_INET};
    socklen_t size = sizeof where;
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&where, sizeof where), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&where, &size), 0);
    close(fd);
    return ntohs(where.sin_port);
}
