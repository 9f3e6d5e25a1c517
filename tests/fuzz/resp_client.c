#include "fuzz/resp_client.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fuzz/resp_reader.h"

void fuzz_client_init(struct fuzz_client *client, struct resp_session *session,
                      const struct resp_limits *limits) {
    *client = (struct fuzz_client){.session = session};
    resp_parser_init(&client->parser, limits);
}

void fuzz_client_deinit(struct fuzz_client *client) {
    resp_parser_deinit(&client->parser);
    free(client->owed);
    free(client->received);
    *client = (struct fuzz_client){0};
}

/* ---- what is owed ---- */

static void owe(struct fuzz_client *client, struct fuzz_owed owed) {
    if (client->count == client->room) {
        client->room = client->room > 0 ? client->room * 2 : 16;
        client->owed = realloc(client->owed, client->room * sizeof *client->owed);
        fuzz_demand(client->owed != NULL, "memory");
    }
    client->owed[client->count++] = owed;
}

static void owe_request(struct fuzz_client *client) {
    const struct muster_text *name = &client->parser.arguments[0];
    struct fuzz_owed owed = {.kind = FUZZ_ONE, .names = client->parser.count - 1};
    if (resp_operation_find(client->session->door, name) != NULL)
        owed.kind = FUZZ_OPERATION;
    if (resp_is(name, "SUBSCRIBE") || resp_is(name, "PSUBSCRIBE"))
        owed.kind = FUZZ_SUBSCRIBE;
    if (resp_is(name, "UNSUBSCRIBE") || resp_is(name, "PUNSUBSCRIBE"))
        owed.kind = FUZZ_UNSUBSCRIBE;
    if (resp_is(name, "QUIT"))
        owed.kind = FUZZ_QUIT;
    owed.pattern = name->data[0] == 'P' || name->data[0] == 'p';
    owe(client, owed);
}

void fuzz_client_sends(struct fuzz_client *client, const char *data, size_t length) {
    size_t at = 0;
    while (at < length) {
        size_t consumed = 0;
        enum resp_parsed parsed = resp_parse(&client->parser, data + at, length - at, &consumed);
        at += consumed;
        if (parsed == RESP_REQUEST && client->parser.count > 0)
            owe_request(client);
        if (parsed == RESP_BROKEN && consumed > 0)
            owe(client, (struct fuzz_owed){.kind = FUZZ_QUIT});
        if (parsed == RESP_BROKEN || parsed == RESP_HTTP)
            return;
    }
}

/* ---- what comes ---- */

static bool is(const char *text, size_t length, const char *word) {
    return text != NULL && strlen(word) == length && memcmp(text, word, length) == 0;
}

static size_t find_name(const struct fuzz_client *client, bool pattern, const char *name,
                        size_t length) {
    for (size_t i = 0; i < client->name_count[pattern]; i++) {
        if (is(name, length, client->names[pattern][i]))
            return i;
    }
    return FUZZ_NAMES;
}

/* One confirmation of the request that is owed first. */
static void confirm(struct fuzz_client *client, const struct fuzz_element *element, bool adds) {
    const struct fuzz_owed *owed = &client->owed[client->first];
    fuzz_demand(client->first < client->count, "a confirmation has a request");
    fuzz_demand(owed->kind == (adds ? FUZZ_SUBSCRIBE : FUZZ_UNSUBSCRIBE) &&
                    owed->pattern == (element->first[0] == 'p'),
                "a confirmation is that of the next request");
    size_t *count = &client->name_count[owed->pattern];
    char(*names)[200] = client->names[owed->pattern];
    if (client->confirmations == 0) {
        client->confirmations = owed->names > 0 ? owed->names : *count > 0 ? *count : 1;
    }
    size_t found = find_name(client, owed->pattern, element->second, element->second_length);
    if (adds && found == FUZZ_NAMES) {
        fuzz_demand(*count < FUZZ_NAMES && element->second_length < 200, "few names");
        memcpy(names[*count], element->second, element->second_length);
        names[*count][element->second_length] = '\0';
        (*count)++;
    } else if (!adds && found < FUZZ_NAMES) {
        (*count)--;
        memmove(names[found], names[*count], sizeof names[0]);
    }
    if (--client->confirmations == 0)
        client->first++;
}

/* The target marks what the host answers with `#<number of the question> <who asked>#`. */
static void mark(struct fuzz_client *client, const struct fuzz_element *element) {
    char text[96] = "";
    char *end = NULL;
    if ((element->type != '$' && element->type != '-') || element->first_length >= sizeof text ||
        element->first == NULL)
        return;
    memcpy(text, element->first, element->first_length);
    const char *at = strchr(text, '#');
    if (at == NULL)
        return;
    uint64_t marker = strtoull(at + 1, &end, 10);
    const char *peer = client->session->peer;
    fuzz_demand(marker > client->last_marker, "answers come in the order of requests");
    fuzz_demand(*end == ' ' && strncmp(end + 1, peer, strlen(peer)) == 0, "to whom asked");
    client->last_marker = marker;
}

static void take_reply(struct fuzz_client *client, const struct fuzz_element *element) {
    fuzz_demand(client->first < client->count, "a reply has a request");
    fuzz_demand(client->confirmations == 0, "confirmations come together");
    struct fuzz_owed owed = client->owed[client->first++];
    if (owed.kind == FUZZ_SUBSCRIBE || owed.kind == FUZZ_UNSUBSCRIBE)
        fuzz_demand(element->type == '-', "a subscription that is not confirmed is an error");
    if (owed.kind == FUZZ_QUIT) /* refused with arguments, or where it was a broken request */
        client->over = owed.names == 0;
    if (element->type == '+' && is(element->first, element->first_length, "RESET"))
        client->name_count[0] = client->name_count[1] = 0;
    if (owed.kind == FUZZ_OPERATION)
        mark(client, element);
}

static void take(struct fuzz_client *client, const struct fuzz_element *element) {
    const char *word = element->first;
    size_t length = element->first_length;
    bool list = (element->type == '>' || element->type == '*') && element->count >= 3;
    fuzz_demand(!client->over, "nothing comes after the end");
    if (list && is(word, length, "message")) {
        fuzz_demand(element->count == 3 && find_name(client, false, element->second,
                                                     element->second_length) < FUZZ_NAMES,
                    "a message is of a channel that is subscribed");
    } else if (list && is(word, length, "pmessage")) {
        fuzz_demand(element->count == 4 && find_name(client, true, element->second,
                                                     element->second_length) < FUZZ_NAMES,
                    "a message is of a pattern that is subscribed");
    } else if (list && element->count == 3 &&
               (is(word, length, "subscribe") || is(word, length, "psubscribe"))) {
        confirm(client, element, true);
    } else if (list && element->count == 3 &&
               (is(word, length, "unsubscribe") || is(word, length, "punsubscribe"))) {
        confirm(client, element, false);
    } else {
        fuzz_demand(element->type != '>', "a push is a message or a confirmation");
        take_reply(client, element);
    }
}

void fuzz_client_reads(struct fuzz_client *client, size_t most) {
    struct resp_session *session = client->session;
    const struct resp_out *out = &session->out;
    size_t size = out->length - out->sent;
    size = size < most ? size : most;
    if (size > 0) {
        if (client->size - client->length < size) {
            client->size = 2 * (client->length + size);
            client->received = realloc(client->received, client->size);
            fuzz_demand(client->received != NULL, "memory");
        }
        memcpy(client->received + client->length, out->data + out->sent, size);
        client->length += size;
        resp_session_sent(session, size, 0);
    }
    size_t at = 0;
    struct fuzz_element element = {0};
    while (at < client->length &&
           fuzz_read_element(client->received + at, client->length - at, &element)) {
        take(client, &element);
        at += element.length;
    }
    if (at > 0)
        memmove(client->received, client->received + at, client->length - at);
    client->length -= at;
}
