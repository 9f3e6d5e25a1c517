#include "contract/doors/pubsub.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/test.h"

struct mt_client {
    struct mt_stand *stand;
    char instance[160];
    char reply_to[160]; /* whose inbox */
    char *token;        /* NULL: none */
    struct mt_redis *publisher;
    struct mt_redis *subscriber;
};

static const char *config(struct mt_stand *stand, const char *daemon) {
    (void)stand;
    (void)daemon;
    return "{}";
}

static void subscribe(struct mt_client *client) {
    mt_command(client->subscriber, "SUBSCRIBE " MT_NS "inbox:%s", client->reply_to);
    mt_redis_forget(client->subscriber);
}

static struct mt_client *open_client(struct mt_stand *stand, const char *instance,
                                     const char *token) {
    struct mt_client *client = calloc(1, sizeof *client);
    if (client == NULL)
        abort();
    client->stand = stand;
    client->token = token != NULL ? strdup(token) : NULL;
    client->publisher = mt_redis_again(stand->redis);
    client->subscriber = mt_redis_again(stand->redis);
    snprintf(client->instance, sizeof client->instance, "%s", instance);
    snprintf(client->reply_to, sizeof client->reply_to, "%s", instance);
    subscribe(client);
    return client;
}

void mt_pubsub_reply_to(struct mt_client *client, const char *instance) {
    snprintf(client->reply_to, sizeof client->reply_to, "%s", instance);
    subscribe(client);
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

char *mt_pubsub_message(struct mt_client *client, const struct mt_request *request,
                        size_t *length) {
    char *bytes = NULL;
    FILE *out = open_memstream(&bytes, length);
    assert_non_null(out);
    fprintf(out, "{\"id\":\"%s\",\"op\":", request->id);
    write_text(out, request->operation, strlen(request->operation));
    fprintf(out, ",\"args\":[");
    for (size_t i = 0; i < request->count; i++) {
        const struct mt_argument *argument = &request->arguments[i];
        fputs(i > 0 ? "," : "", out);
        if (argument->object)
            fwrite(argument->data, 1, argument->length, out);
        else
            write_text(out, argument->data, argument->length);
    }
    fprintf(out, "],\"reply_to\":\"" MT_NS "inbox:%s\",\"instance\":\"%s\"", client->reply_to,
            client->instance);
    if (client->token != NULL) {
        fprintf(out, ",\"token\":");
        write_text(out, client->token, strlen(client->token));
    }
    if (request->timeout_ms != 0)
        fprintf(out, ",\"timeout_ms\":%llu", (unsigned long long)request->timeout_ms);
    fputc('}', out);
    fclose(out);
    return bytes;
}

static bool send_raw(struct mt_client *client, const char *bytes, size_t length) {
    long long heard = mt_integer(client->publisher, "PUBLISH " MT_NS "request %b", bytes, length);
    mt_redis_forget(client->publisher);
    return heard > 0;
}

static bool send_request(struct mt_client *client, const struct mt_request *request) {
    size_t length = 0;
    char *bytes = mt_pubsub_message(client, request, &length);
    bool heard = send_raw(client, bytes, length);
    free(bytes);
    return heard;
}

/* The bytes of "ok" as they came: {"id":<text>,"ok":<json>} */
static char *raw_ok(const char *text, size_t length) {
    const char *from = strstr(text, ",\"ok\":");
    return from == NULL ? NULL : strndup(from + 6, (size_t)(text + length - 1 - (from + 6)));
}

static void read_answer(struct mt_client *client, const redisReply *payload,
                        struct mt_answer *answer) {
    json_t *root = json_loadb(payload->str, (size_t)payload->len,
                              JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    const json_t *error = json_object_get(root, "error");
    const char *id = json_string_value(json_object_get(root, "id"));
    *answer = (struct mt_answer){.id = id != NULL ? strdup(id) : NULL};
    if (json_object_size(root) != 2 || json_object_get(root, "id") == NULL)
        mt_fail(client->stand->world, "no answer: %s", payload->str);
    if (error == NULL) {
        answer->json = raw_ok(payload->str, (size_t)payload->len);
        if (answer->json == NULL)
            mt_fail(client->stand->world, "neither ok nor error: %s", payload->str);
    } else {
        mt_expect(error, "{'code':'#str','message':'#str','retry':'#bool'}");
        const char *code = mt_str(error, "code");
        if (!muster_status_parse(code, strlen(code), &answer->status))
            mt_fail(client->stand->world, "no code: %s", payload->str);
        answer->message = strdup(mt_str(error, "message"));
        answer->retry = mt_bool(error, "retry");
    }
    json_decref(root);
}

static bool receive(struct mt_client *client, struct mt_answer *answer) {
    redisContext *context = mt_redis_context(client->subscriber);
    struct pollfd poll_fd = {.fd = context->fd, .events = POLLIN};
    void *reply = NULL;
    bool found = false;
    if (redisGetReplyFromReader(context, &reply) != REDIS_OK)
        mt_fail(client->stand->world, "the subscription broke: %s", context->errstr);
    if (reply == NULL) {
        if (poll(&poll_fd, 1, 20) <= 0)
            return false;
        if (redisBufferRead(context) != REDIS_OK ||
            redisGetReplyFromReader(context, &reply) != REDIS_OK)
            mt_fail(client->stand->world, "the subscription broke: %s", context->errstr);
    }
    const redisReply *message = reply;
    if (message != NULL && message->elements == 3 &&
        strcmp(message->element[0]->str, "message") == 0) {
        read_answer(client, message->element[2], answer);
        found = true;
    }
    freeReplyObject(reply);
    return found;
}

/* Redis keeps no trace of one that closed, however it did: to die is to close. */
static void close_client(struct mt_client **client) {
    mt_redis_close(&(*client)->publisher);
    mt_redis_close(&(*client)->subscriber);
    free((*client)->token);
    free(*client);
    *client = NULL;
}

const struct mt_door mt_door_pubsub = {
    .name = "pubsub",
    .plugin = MUSTER_BUILD_DIR "/plugins/transport_pubsub.so",
    .config = config,
    .every_daemon = false,
    .open = open_client,
    .send = send_request,
    .send_raw = send_raw,
    .receive = receive,
    .close = close_client,
    .vanish = close_client,
};
