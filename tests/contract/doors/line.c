/* The door of plugins/examples/transport_line: lines of JSON on a unix socket. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "contract/doors/line.h"
#include "lib/test.h"

enum { INPUT_MAX = 64 << 20 };

struct mt_client {
    struct mt_stand *stand;
    char *token; /* NULL: none */
    int fd;      /* -1: not connected */
    bool known;  /* this connection has sent its token */
    char *input;
    size_t length, room;
};

static const char *config(struct mt_stand *stand, const char *daemon) {
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    assert_non_null(out);
    /* A flood of answers to nobody is over sooner than at the default of 16 MiB. */
    fprintf(out, "{path: \"%s/%s.line\", max_backlog: 2MiB}", mt_world_dir(stand->world), daemon);
    fclose(out);
    return mt_keep_text(stand, text);
}

static void disconnect(struct mt_client *client) {
    if (client->fd >= 0)
        close(client->fd);
    client->fd = -1;
    client->length = 0;
}

/* With any daemon that lives: their sockets lie in the world's folder. */
static bool connected(struct mt_client *client) {
    static const char *const names[] = {"daemon", "first", "second"};
    for (size_t i = 0; client->fd < 0 && i < sizeof names / sizeof names[0]; i++) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int length = snprintf(address.sun_path, sizeof address.sun_path, "%s/%s.line",
                              mt_world_dir(client->stand->world), names[i]);
        assert_true(length > 0 && (size_t)length < sizeof address.sun_path);
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_true(fd >= 0);
        if (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
            client->fd = fd;
        else
            close(fd);
        client->known = false;
    }
    return client->fd >= 0;
}

static struct mt_client *open_client(struct mt_stand *stand, const char *instance,
                                     const char *token) {
    struct mt_client *client = calloc(1, sizeof *client);
    (void)instance;
    if (client == NULL)
        abort();
    client->stand = stand;
    client->token = token != NULL ? strdup(token) : NULL;
    client->fd = -1;
    return client;
}

static bool write_all(struct mt_client *client, const char *bytes, size_t length) {
    while (length > 0) {
        ssize_t sent = send(client->fd, bytes, length, MSG_NOSIGNAL);
        if (sent <= 0) {
            disconnect(client);
            return false;
        }
        bytes += sent;
        length -= (size_t)sent;
    }
    return true;
}

/* Has the daemon gone meanwhile? */
static bool alive(const struct mt_client *client) {
    char byte;
    return client->fd >= 0 && recv(client->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) != 0;
}

static bool send_raw(struct mt_client *client, const char *bytes, size_t length) {
    if (!alive(client))
        disconnect(client);
    return connected(client) && write_all(client, bytes, length) && write_all(client, "\n", 1);
}

/* As JSON, but bytes beyond ASCII stay as they are: some tests send what is no UTF-8. */
static void write_text(FILE *out, const char *text, size_t length) {
    fputc('"', out);
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)text[i];
        if (byte == '"' || byte == '\\')
            fprintf(out, "\\%c", byte);
        else if (byte < 0x20)
            fprintf(out, "\\u%04x", byte);
        else
            fputc(byte, out);
    }
    fputc('"', out);
}

static bool send_request(struct mt_client *client, const struct mt_request *request) {
    char *bytes = NULL;
    size_t length = 0;
    if (!alive(client))
        disconnect(client);
    if (!connected(client))
        return false;
    FILE *out = open_memstream(&bytes, &length);
    assert_non_null(out);
    fprintf(out, "{\"id\":\"%s\",\"op\":", request->id);
    write_text(out, request->operation, strlen(request->operation));
    fprintf(out, ",\"args\":[");
    for (size_t i = 0; i < request->count; i++) {
        fputs(i > 0 ? "," : "", out);
        write_text(out, request->arguments[i].data, request->arguments[i].length);
    }
    fputc(']', out);
    if (client->token != NULL && !client->known) {
        fprintf(out, ",\"token\":");
        write_text(out, client->token, strlen(client->token));
    }
    if (request->timeout_ms != 0)
        fprintf(out, ",\"timeout_ms\":%llu", (unsigned long long)request->timeout_ms);
    fputc('}', out);
    fclose(out);
    client->known = true;
    bool sent = send_raw(client, bytes, length);
    free(bytes);
    return sent;
}

/* The bytes of "ok" as they came: {"id":<text>,"ok":<json>} */
static char *raw_ok(const char *text, size_t length) {
    const char *from = strstr(text, ",\"ok\":");
    return from == NULL ? NULL : strndup(from + 6, (size_t)(text + length - 1 - (from + 6)));
}

static void read_answer(struct mt_client *client, const char *line, size_t length,
                        struct mt_answer *answer) {
    json_t *root = json_loadb(line, length, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    const json_t *error = json_object_get(root, "error");
    const char *id = json_string_value(json_object_get(root, "id"));
    *answer = (struct mt_answer){.id = id != NULL ? strdup(id) : NULL};
    if (json_object_size(root) != 2 || json_object_get(root, "id") == NULL)
        mt_fail(client->stand->world, "no answer: %.*s", (int)length, line);
    if (error == NULL) {
        answer->json = raw_ok(line, length);
    } else {
        mt_expect(error, "{'code':'#str','message':'#str','retry':'#bool'}");
        const char *code = mt_str(error, "code");
        if (!muster_status_parse(code, strlen(code), &answer->status))
            mt_fail(client->stand->world, "no code: %s", line);
        answer->message = strdup(mt_str(error, "message"));
        answer->retry = mt_bool(error, "retry");
        /* Who could not be verified tries again with the next request. */
        if (answer->status == MUSTER_UNAUTHENTICATED || answer->status == MUSTER_TIMEOUT)
            client->known = false;
    }
    json_decref(root);
}

static bool take_line(struct mt_client *client, struct mt_answer *answer) {
    char *end = memchr(client->input, '\n', client->length);
    if (end == NULL)
        return false;
    *end = '\0';
    read_answer(client, client->input, (size_t)(end - client->input), answer);
    client->length -= (size_t)(end + 1 - client->input);
    memmove(client->input, end + 1, client->length);
    return true;
}

static bool receive(struct mt_client *client, struct mt_answer *answer) {
    struct pollfd poll_fd = {.fd = client->fd, .events = POLLIN};
    if (client->length > 0 && take_line(client, answer))
        return true;
    if (poll(&poll_fd, 1, 20) <= 0 || client->fd < 0)
        return false;
    if (client->room < client->length + 65536) {
        client->room = client->room * 2 + 65536;
        assert_true(client->room < INPUT_MAX);
        client->input = realloc(client->input, client->room);
        if (client->input == NULL)
            abort();
    }
    ssize_t got = recv(client->fd, client->input + client->length, 65536, 0);
    if (got <= 0) {
        disconnect(client);
        return false;
    }
    client->length += (size_t)got;
    return take_line(client, answer);
}

/* The daemon sees an end of file in both cases: to die is to close. */
static void close_client(struct mt_client **client) {
    disconnect(*client);
    free((*client)->input);
    free((*client)->token);
    free(*client);
    *client = NULL;
}

const struct mt_door mt_door_line = {
    .name = "line",
    .plugin = MUSTER_BUILD_DIR "/tests/plugins/transport_line.so",
    .config = config,
    .every_daemon = true,
    .open = open_client,
    .send = send_request,
    .send_raw = send_raw,
    .receive = receive,
    .close = close_client,
    .vanish = close_client,
};
