/* The RESP door, on its unix socket. Answers carry no ids: they come in the order of the requests.
 * A client with a token logs in first; who is not let in gets that answer to all it asks. */
#include <hiredis/hiredis.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "contract/doors/resp.h"
#include "lib/test.h"

enum { MOST_PENDING = 4096 };

struct mt_client {
    struct mt_stand *stand;
    char *token;            /* NULL: none */
    int fd;                 /* -1: not connected */
    bool tainted;           /* by rubbish: who knows what it answers to that */
    bool logging_in;        /* the answer to AUTH is due */
    redisReply *turned_off; /* that answer, when it was a refusal */
    redisReader *reader;
    char *pending[MOST_PENDING]; /* ids, a ring */
    size_t first, count;
};

static const char *config(struct mt_stand *stand, const char *daemon) {
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    assert_non_null(out);
    fprintf(out, "{listen: [\"unix://%s/%s.resp\"]}", mt_world_dir(stand->world), daemon);
    fclose(out);
    return mt_keep_text(stand, text);
}

static char *next_id(struct mt_client *client) {
    assert_true(client->count > 0);
    char *id = client->pending[client->first];
    client->first = (client->first + 1) % MOST_PENDING;
    client->count--;
    return id;
}

static void disconnect(struct mt_client *client) {
    if (client->fd >= 0)
        close(client->fd);
    client->fd = -1;
    client->tainted = client->logging_in = false;
    if (client->reader != NULL)
        redisReaderFree(client->reader);
    client->reader = NULL;
    if (client->turned_off != NULL)
        freeReplyObject(client->turned_off);
    client->turned_off = NULL;
    while (client->count > 0)
        free(next_id(client));
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

static bool write_command(struct mt_client *client, int count, const char **words,
                          const size_t *lengths) {
    char *bytes = NULL;
    int length = redisFormatCommandArgv(&bytes, count, words, lengths);
    assert_true(length > 0);
    bool sent = write_all(client, bytes, (size_t)length);
    redisFreeCommand(bytes);
    return sent;
}

static bool dial(struct mt_client *client, const char *daemon) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int length = snprintf(address.sun_path, sizeof address.sun_path, "%s/%s.resp",
                          mt_world_dir(client->stand->world), daemon);
    assert_true(length > 0 && (size_t)length < sizeof address.sun_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        close(fd);
        return false;
    }
    client->fd = fd;
    client->reader = redisReaderCreate();
    assert_non_null(client->reader);
    if (client->token == NULL)
        return true;
    client->logging_in = true;
    return write_command(client, 2, (const char *[]){"AUTH", client->token}, NULL);
}

/* With any daemon that lives: their sockets lie in the world's folder. */
static bool connected(struct mt_client *client) {
    static const char *const names[] = {"daemon", "first", "second"};
    char byte;
    if (client->fd >= 0 &&
        (client->tainted || recv(client->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0))
        disconnect(client);
    for (size_t i = 0; client->fd < 0 && i < sizeof names / sizeof names[0]; i++)
        (void)dial(client, names[i]);
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

static bool send_raw(struct mt_client *client, const char *bytes, size_t length) {
    if (!connected(client))
        return false;
    client->tainted = true;
    return write_all(client, bytes, length) && write_all(client, "\r\n", 2);
}

static bool send_request(struct mt_client *client, const struct mt_request *request) {
    const char *words[1040] = {request->operation};
    size_t lengths[1040] = {strlen(request->operation)};
    assert_true(request->count < sizeof words / sizeof words[0]);
    if (!connected(client))
        return false;
    for (size_t i = 0; i < request->count; i++) {
        words[i + 1] = request->arguments[i].data;
        lengths[i + 1] = request->arguments[i].length;
    }
    if (!write_command(client, (int)request->count + 1, words, lengths))
        return false;
    assert_true(client->count < MOST_PENDING);
    client->pending[(client->first + client->count++) % MOST_PENDING] = strdup(request->id);
    return true;
}

static void write_json(FILE *out, const redisReply *reply) {
    if (reply->type == REDIS_REPLY_INTEGER) {
        fprintf(out, "%lld", reply->integer);
    } else if (reply->type == REDIS_REPLY_ARRAY) {
        for (size_t i = 0; i < reply->elements; i++) {
            fputc(i == 0 ? '[' : ',', out);
            write_json(out, reply->element[i]);
        }
        fputs(reply->elements == 0 ? "[]" : "]", out);
    } else {
        assert_int_equal(reply->type, REDIS_REPLY_STRING);
        fwrite(reply->str, 1, (size_t)reply->len, out);
    }
}

static void read_answer(struct mt_client *client, const redisReply *reply, char *id,
                        struct mt_answer *answer) {
    size_t length = 0;
    *answer = (struct mt_answer){.id = id};
    if (reply->type == REDIS_REPLY_ERROR) {
        size_t code = strcspn(reply->str, " ");
        if (strncmp(reply->str, "WRONGPASS ", code + 1) == 0)
            answer->status = MUSTER_UNAUTHENTICATED; /* the word that clients know */
        else if (!muster_status_parse(reply->str, code, &answer->status))
            mt_fail(client->stand->world, "no code: %s", reply->str);
        answer->message = strdup(reply->str + code + (reply->str[code] == ' '));
        answer->retry = muster_status_retry(answer->status); /* it does not say so itself */
        return;
    }
    FILE *out = open_memstream(&answer->json, &length);
    assert_non_null(out);
    write_json(out, reply);
    fclose(out);
}

/* The next answer that is complete, of those that came in. */
static bool take(struct mt_client *client, struct mt_answer *answer) {
    void *read = NULL;
    if (client->turned_off != NULL && client->count > 0) {
        read_answer(client, client->turned_off, next_id(client), answer);
        if (client->count == 0)
            disconnect(client); /* it comes again, and tries again */
        return true;
    }
    if (client->reader == NULL || client->tainted)
        return false;
    assert_int_equal(redisReaderGetReply(client->reader, &read), REDIS_OK);
    redisReply *reply = read;
    if (reply == NULL)
        return false;
    if (client->logging_in) {
        client->logging_in = false;
        if (reply->type == REDIS_REPLY_ERROR)
            client->turned_off = reply;
        else
            freeReplyObject(reply);
        return take(client, answer);
    }
    read_answer(client, reply, next_id(client), answer);
    freeReplyObject(reply);
    return true;
}

static bool receive(struct mt_client *client, struct mt_answer *answer) {
    char bytes[65536];
    if (take(client, answer))
        return true;
    struct pollfd poll_fd = {.fd = client->fd, .events = POLLIN};
    if (poll(&poll_fd, 1, 20) <= 0 || client->fd < 0)
        return false;
    ssize_t got = recv(client->fd, bytes, sizeof bytes, 0);
    if (got <= 0) {
        disconnect(client);
        return false;
    }
    if (!client->tainted)
        redisReaderFeed(client->reader, bytes, (size_t)got);
    return take(client, answer);
}

/* The daemon sees an end of file in both cases: to die is to close. */
static void close_client(struct mt_client **client) {
    disconnect(*client);
    free((*client)->token);
    free(*client);
    *client = NULL;
}

const struct mt_door mt_door_resp = {
    .name = "resp",
    .plugin = MUSTER_BUILD_DIR "/plugins/transport_resp.so",
    .config = config,
    .every_daemon = true,
    .logs_in = true,
    .open = open_client,
    .send = send_request,
    .send_raw = send_raw,
    .receive = receive,
    .close = close_client,
    .vanish = close_client,
};
