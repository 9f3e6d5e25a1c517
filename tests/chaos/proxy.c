/* proxy.c - happy path: a client is accepted, its target is connected, and both are read. What one
 * says is queued for the other with the time at which it is due; a timer writes what is due. A
 * server that has ended is closed once all that it said has been written; of a client that has
 * ended nothing more is passed on. A network may do that, and then a call that the client has given
 * up and repeated is carried out once more, much later: against that muster has no means.
 *
 * Ways to fail: the target refuses (the client is closed); either side breaks (both are closed,
 * what is queued is lost, as on a network); a side does not read (the other is no longer read
 * beyond MOST_QUEUED). The process ends when its parent does.
 */
#include "chaos/proxy.h"

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

enum { MOST_QUEUED = 1 << 20, MOST_LINKS = 64, BACKLOG = 64, MOST_WORDS = 4 };

union channel {
    uv_handle_t handle;
    uv_stream_t stream;
    uv_pipe_t pipe;
    uv_tcp_t tcp;
};

enum mode { FORWARD, STALL, CUT };

struct pair;

struct link {
    uv_loop_t *loop;
    const char *name;
    union channel listener;
    char target[256];
    enum mode mode;
    uint64_t delay_ms;
    uint64_t jitter_ms;
    struct pair *pairs;
};

struct chunk {
    uv_write_t request;
    struct chunk *next;
    struct side *side;
    uint64_t due; /* ms of the loop's clock */
    size_t length;
    char bytes[];
};

/* One end of a connection, and what waits to be written to it. */
struct side {
    union channel channel;
    uv_timer_t timer;
    struct pair *pair;
    struct side *other;
    struct chunk *first;
    struct chunk *last;
    size_t queued; /* bytes, those being written included */
    uint64_t due;  /* of the last chunk */
    bool open;
    bool reading;
    bool ended; /* it will say no more */
};

struct pair {
    struct pair *next;
    struct link *link;
    struct side client;
    struct side server;
    uv_connect_t connect;
    int handles; /* not yet closed */
    bool closing;
};

struct proxy {
    uv_loop_t loop;
    uv_pipe_t control;
    struct link links[MOST_LINKS];
    size_t count;
};

struct controller {
    uv_pipe_t pipe;
    struct proxy *proxy;
    size_t used;
    char line[512];
};

static void *zeroed(size_t size) {
    void *memory = calloc(1, size);
    if (memory == NULL)
        abort();
    return memory;
}

/* ---- addresses ---- */

static bool is_unix(const char *address) {
    return strncmp(address, "unix://", 7) == 0;
}

static void channel_init(uv_loop_t *loop, union channel *channel, const char *address) {
    if (is_unix(address))
        uv_pipe_init(loop, &channel->pipe, 0);
    else
        uv_tcp_init(loop, &channel->tcp);
}

static bool tcp_address(const char *address, struct sockaddr_in *out) {
    char host[64] = "";
    const char *colon = strrchr(address, ':');
    if (colon == NULL || (size_t)(colon - address) >= sizeof host)
        return false;
    memcpy(host, address, (size_t)(colon - address));
    return uv_ip4_addr(host, (int)strtol(colon + 1, NULL, 10), out) == 0;
}

/* ---- one connection ---- */

static void on_closed(uv_handle_t *handle) {
    struct pair *pair = handle->data;
    if (--pair->handles > 0)
        return;
    struct side *sides[] = {&pair->client, &pair->server};
    for (int i = 0; i < 2; i++)
        while (sides[i]->first != NULL) {
            struct chunk *chunk = sides[i]->first;
            sides[i]->first = chunk->next;
            free(chunk);
        }
    free(pair);
}

static void close_side(struct side *side, bool reset) {
    side->channel.handle.data = side->pair;
    side->timer.data = side->pair;
    uv_close((uv_handle_t *)&side->timer, on_closed);
    if (!reset || side->channel.handle.type != UV_TCP || !side->open ||
        uv_tcp_close_reset(&side->channel.tcp, on_closed) != 0)
        uv_close(&side->channel.handle, on_closed);
}

static void close_pair(struct pair *pair, bool reset) {
    if (pair->closing)
        return;
    pair->closing = true;
    for (struct pair **at = &pair->link->pairs; *at != NULL; at = &(*at)->next)
        if (*at == pair) {
            *at = pair->next;
            break;
        }
    close_side(&pair->client, reset);
    close_side(&pair->server, reset);
}

static void set_reading(struct side *side);
static void write_due(struct side *side);

static void on_written(uv_write_t *request, int status) {
    struct chunk *chunk = request->data;
    struct side *side = chunk->side;
    side->queued -= chunk->length;
    free(chunk);
    if (side->pair->closing)
        return;
    if (status != 0) {
        close_pair(side->pair, false);
        return;
    }
    set_reading(side->other);
    write_due(side);
}

static void on_timer(uv_timer_t *timer) {
    write_due(timer->data);
}

static void write_due(struct side *side) {
    struct pair *pair = side->pair;
    uint64_t now = uv_now(pair->link->loop);
    if (!side->open || pair->link->mode == STALL)
        return;
    while (side->first != NULL && side->first->due <= now) {
        struct chunk *chunk = side->first;
        uv_buf_t buffer = uv_buf_init(chunk->bytes, (unsigned)chunk->length);
        side->first = chunk->next;
        if (side->first == NULL)
            side->last = NULL;
        chunk->request.data = chunk;
        if (uv_write(&chunk->request, &side->channel.stream, &buffer, 1, on_written) != 0) {
            free(chunk);
            close_pair(pair, false);
            return;
        }
    }
    if (side->first != NULL)
        uv_timer_start(&side->timer, on_timer, side->first->due - now, 0);
    else if (side->other->ended && side->queued == 0)
        close_pair(pair, false);
}

static void on_alloc(uv_handle_t *handle, size_t wanted, uv_buf_t *buffer) {
    (void)handle;
    struct chunk *chunk = malloc(sizeof *chunk + wanted);
    if (chunk == NULL)
        abort();
    *buffer = uv_buf_init(chunk->bytes, (unsigned)wanted);
    /* on_read() finds it again by its bytes. */
    /* cppcheck-suppress memleak */
}

static struct chunk *chunk_of(const uv_buf_t *buffer) {
    return buffer->base == NULL
               ? NULL
               : (struct chunk *)(void *)(buffer->base - offsetof(struct chunk, bytes));
}

static void on_read(uv_stream_t *stream, ssize_t length, const uv_buf_t *buffer) {
    struct side *side = stream->data;
    struct side *to = side->other;
    struct link *link = side->pair->link;
    struct chunk *chunk = chunk_of(buffer);
    if (length <= 0)
        free(chunk);
    if (length == 0)
        return;
    if (length < 0) {
        side->ended = true;
        if (length != UV_EOF || side == &side->pair->client) {
            close_pair(side->pair, true);
            return;
        }
        set_reading(side);
        write_due(to);
        return;
    }
    chunk->length = (size_t)length;
    chunk->side = to;
    chunk->next = NULL;
    uint64_t due = uv_now(link->loop) + link->delay_ms;
    if (link->jitter_ms > 0)
        due += (uint64_t)random() % link->jitter_ms; /* no part of the schedule */
    to->due = chunk->due = due > to->due ? due : to->due;
    to->queued += chunk->length;
    if (to->last != NULL)
        to->last->next = chunk;
    else
        to->first = chunk;
    to->last = chunk;
    set_reading(side);
    write_due(to);
}

static void set_reading(struct side *side) {
    bool wanted = side->open && side->other->open && !side->ended &&
                  side->pair->link->mode == FORWARD && side->other->queued < MOST_QUEUED;
    if (wanted == side->reading || side->pair->closing)
        return;
    side->reading = wanted;
    if (wanted)
        uv_read_start(&side->channel.stream, on_alloc, on_read);
    else
        uv_read_stop(&side->channel.stream);
}

static void on_connected(uv_connect_t *request, int status) {
    struct pair *pair = request->data;
    if (pair->closing)
        return;
    if (status != 0) {
        close_pair(pair, true);
        return;
    }
    pair->server.open = true;
    set_reading(&pair->client);
    set_reading(&pair->server);
}

static void connect_target(struct pair *pair) {
    const char *target = pair->link->target;
    struct sockaddr_in address;
    pair->connect.data = pair;
    if (is_unix(target))
        uv_pipe_connect(&pair->connect, &pair->server.channel.pipe, target + 7, on_connected);
    else if (!tcp_address(target, &address) ||
             uv_tcp_connect(&pair->connect, &pair->server.channel.tcp,
                            (const struct sockaddr *)&address, on_connected) != 0)
        close_pair(pair, true);
}

static void side_init(struct pair *pair, struct side *side, struct side *other,
                      const char *address) {
    side->pair = pair;
    side->other = other;
    channel_init(pair->link->loop, &side->channel, address);
    uv_timer_init(pair->link->loop, &side->timer);
    side->channel.handle.data = side;
    side->timer.data = side;
    pair->handles += 2;
}

static void on_connection(uv_stream_t *listener, int status) {
    struct link *link = listener->data;
    if (status != 0)
        return;
    struct pair *pair = zeroed(sizeof *pair);
    pair->link = link;
    side_init(pair, &pair->client, &pair->server,
              link->listener.handle.type == UV_NAMED_PIPE ? "unix://" : "");
    side_init(pair, &pair->server, &pair->client, link->target);
    pair->next = link->pairs;
    link->pairs = pair;
    if (uv_accept(listener, &pair->client.channel.stream) != 0) {
        close_pair(pair, false);
        return;
    }
    pair->client.open = true;
    if (link->mode == CUT)
        close_pair(pair, true);
    else
        connect_target(pair);
}

/* ---- control ---- */

/* Its other end has closed the connection, whatever can still be read from it. */
static bool has_left(const struct side *side) {
    uv_os_fd_t fd = -1;
    if (uv_fileno(&side->channel.handle, &fd) != 0)
        return true;
    struct pollfd poller = {.fd = fd, .events = POLLRDHUP};
    return poll(&poller, 1, 0) == 1 && (poller.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

static void set_mode(struct link *link, enum mode mode) {
    enum mode was = link->mode;
    link->mode = mode;
    struct pair *next = NULL;
    for (struct pair *pair = link->pairs; pair != NULL; pair = next) {
        next = pair->next;
        if (mode == CUT || (was == STALL && has_left(&pair->client))) {
            close_pair(pair, true);
            continue;
        }
        set_reading(&pair->client);
        set_reading(&pair->server);
        write_due(&pair->client);
        if (!pair->closing)
            write_due(&pair->server);
    }
}

static bool obey(struct proxy *proxy, char *line) {
    char *words[MOST_WORDS] = {NULL};
    char *rest = NULL;
    size_t count = 0;
    for (char *word = strtok_r(line, " ", &rest); word != NULL && count < MOST_WORDS;
         word = strtok_r(NULL, " ", &rest))
        words[count++] = word;
    struct link *link = NULL;
    for (size_t i = 0; count >= 2 && i < proxy->count; i++)
        if (strcmp(proxy->links[i].name, words[1]) == 0)
            link = &proxy->links[i];
    if (link == NULL)
        return false;
    if (strcmp(words[0], "cut") == 0) {
        set_mode(link, CUT);
    } else if (strcmp(words[0], "stall") == 0) {
        set_mode(link, STALL);
    } else if (strcmp(words[0], "delay") == 0 && count == 4) {
        link->delay_ms = strtoull(words[2], NULL, 10);
        link->jitter_ms = strtoull(words[3], NULL, 10);
    } else if (strcmp(words[0], "heal") == 0) {
        link->delay_ms = link->jitter_ms = 0;
        set_mode(link, FORWARD);
    } else if (strcmp(words[0], "target") == 0 && count == 3) {
        enum mode mode = link->mode;
        snprintf(link->target, sizeof link->target, "%s", words[2]);
        set_mode(link, CUT);
        set_mode(link, mode);
    } else {
        return false;
    }
    return true;
}

static void on_answered(uv_write_t *request, int status) {
    (void)status;
    free(request);
}

static void on_freed(uv_handle_t *handle) {
    free(handle->data);
}

static void answer(struct controller *controller, char *text) {
    uv_write_t *request = zeroed(sizeof *request);
    uv_buf_t buffer = uv_buf_init(text, (unsigned)strlen(text));
    uv_write(request, (uv_stream_t *)&controller->pipe, &buffer, 1, on_answered);
}

static void on_control_alloc(uv_handle_t *handle, size_t wanted, uv_buf_t *buffer) {
    (void)wanted;
    struct controller *controller = handle->data;
    *buffer = uv_buf_init(controller->line + controller->used,
                          (unsigned)(sizeof controller->line - 1 - controller->used));
}

static void on_control(uv_stream_t *stream, ssize_t length, const uv_buf_t *buffer) {
    static char fine[] = "ok\n";
    static char refused[] = "what?\n";
    struct controller *controller = stream->data;
    (void)buffer;
    if (length < 0) {
        uv_close((uv_handle_t *)stream, on_freed);
        return;
    }
    controller->used += (size_t)length;
    controller->line[controller->used] = '\0';
    char *end = NULL;
    while ((end = strchr(controller->line, '\n')) != NULL) {
        *end = '\0';
        answer(controller, obey(controller->proxy, controller->line) ? fine : refused);
        controller->used -= (size_t)(end + 1 - controller->line);
        memmove(controller->line, end + 1, controller->used + 1);
    }
}

static void on_controller(uv_stream_t *listener, int status) {
    struct controller *controller = zeroed(sizeof *controller);
    (void)status;
    controller->proxy = listener->data;
    uv_pipe_init(listener->loop, &controller->pipe, 0);
    controller->pipe.data = controller;
    if (uv_accept(listener, (uv_stream_t *)&controller->pipe) == 0)
        uv_read_start((uv_stream_t *)&controller->pipe, on_control_alloc, on_control);
    else
        uv_close((uv_handle_t *)&controller->pipe, on_freed);
}

static int listen_at(uv_loop_t *loop, struct link *link, const char *address) {
    struct sockaddr_in tcp;
    int code = UV_EINVAL;
    channel_init(loop, &link->listener, address);
    link->listener.handle.data = link;
    if (is_unix(address))
        code = uv_pipe_bind(&link->listener.pipe, address + 7);
    else if (tcp_address(address, &tcp))
        code = uv_tcp_bind(&link->listener.tcp, (const struct sockaddr *)&tcp, 0);
    return code != 0 ? code : uv_listen(&link->listener.stream, BACKLOG, on_connection);
}

int ch_proxy_main(int count, char *const arguments[]) {
    if (count < 4 || (count - 1) % 3 != 0 || (count - 1) / 3 > MOST_LINKS)
        return 2;
    struct proxy *proxy = zeroed(sizeof *proxy);
    uv_loop_init(&proxy->loop);
    for (int i = 1; i < count; i += 3) {
        struct link *link = &proxy->links[proxy->count++];
        link->loop = &proxy->loop;
        link->name = arguments[i];
        snprintf(link->target, sizeof link->target, "%s", arguments[i + 2]);
        int code = listen_at(&proxy->loop, link, arguments[i + 1]);
        if (code != 0) {
            fprintf(stderr, "%s: %s\n", arguments[i + 1], uv_strerror(code));
            exit(1);
        }
    }
    uv_pipe_init(&proxy->loop, &proxy->control, 0);
    proxy->control.data = proxy;
    if (uv_pipe_bind(&proxy->control, arguments[0]) != 0 ||
        uv_listen((uv_stream_t *)&proxy->control, 1, on_controller) != 0)
        exit(1);
    uv_run(&proxy->loop, UV_RUN_DEFAULT);
    free(proxy);
    return 0;
}
