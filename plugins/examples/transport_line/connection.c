/* connection.c - the life of a connection and of its requests.
 *
 * The happy path: bytes come in - a line is complete - a token in it is verified first; the lines
 * behind it wait - the request is submitted - its answer is written - the peer closes.
 *
 * Ways to fail: the peer goes, or ends its writing (what is pending is cancelled, nobody hears of
 * it); a line is too long, is no request, or there are too many (it is answered, the connection
 * goes on); the peer does not read (closed at max_backlog); the door stops (what is pending is
 * answered, then closed).
 *
 * While a token is verified, reading goes on until a longest line has come in: so it is noticed
 * when the peer goes, and memory is bounded all the same.
 */
#include <stdlib.h>
#include <string.h>

#include "line.h"

#define READ_BYTES 65536

struct line_request {
    struct line_connection *connection;
    struct line_request *next, **link; /* link: what points here */
    struct line_message message;
    uint64_t id; /* of the host, for cancel() */
};

struct line_connection {
    uv_pipe_t pipe;
    struct line_door *door;
    struct line_connection *next, **link;
    struct muster_caller *caller; /* NULL: anonymous */
    struct line_request *requests;
    size_t pending;
    bool authenticating; /* the newest request is; no further line is looked at */
    bool reading;
    bool skipping;  /* the rest of a line that was too long */
    bool finishing; /* no more lines; closes when all is answered and written */
    bool closing;
    char *input; /* max_line and READ_BYTES more */
    size_t length;
};

struct answer {
    uv_write_t write;
    char *text;
};

static void read_lines(struct line_connection *connection);

/* ---- requests ---- */

static struct line_request *add_request(struct line_connection *connection,
                                        const struct line_message *message) {
    struct line_request *request = line_need(calloc(1, sizeof *request));
    request->connection = connection;
    request->message = *message;
    request->next = connection->requests;
    request->link = &connection->requests;
    if (request->next != NULL) {
        request->next->link = &request->next;
    }
    connection->requests = request;
    connection->pending++;
    return request;
}

static void remove_request(struct line_request *request) {
    struct line_connection *connection = request->connection;
    *request->link = request->next;
    if (request->next != NULL) {
        request->next->link = request->link;
    }
    connection->pending--;
    line_message_free(&request->message);
    free(request);
}

/* ---- closing ---- */

static void on_closed(uv_handle_t *handle) {
    struct line_connection *connection = handle->data;
    struct line_door *door = connection->door;
    *connection->link = connection->next;
    if (connection->next != NULL) {
        connection->next->link = connection->link;
    }
    free(connection->input);
    free(connection);
    door->connection_count--;
    door->host->metric_add(door->open, -1);
    door->host->release(door->plugin, "connection");
    line_settle(door);
}

/* The one way to end: what is pending is cancelled, so no hook names this connection again. */
static void close_connection(struct line_connection *connection) {
    const struct muster_host *host = connection->door->host;
    if (connection->closing) {
        return;
    }
    connection->closing = true;
    for (struct line_request *next, *at = connection->requests; at != NULL; at = next) {
        next = at->next;
        host->cancel(connection->door->plugin, at->id);
        remove_request(at);
    }
    if (connection->caller != NULL) {
        host->caller_release(connection->door->plugin, &connection->caller);
    }
    uv_close((uv_handle_t *)&connection->pipe, on_closed);
}

static void close_if_finished(struct line_connection *connection) {
    if (connection->finishing && connection->pending == 0 &&
        uv_stream_get_write_queue_size((uv_stream_t *)&connection->pipe) == 0) {
        close_connection(connection);
    }
}

/* ---- answers ---- */

static void on_written(uv_write_t *write, int status) {
    struct answer *answer = write->data;
    struct line_connection *connection = write->handle->data;
    free(answer->text);
    free(answer);
    if (status != 0) {
        close_connection(connection);
    }
    close_if_finished(connection);
}

static void answer(struct line_connection *connection, const char *id,
                   const struct muster_result *result) {
    size_t length = 0;
    uv_stream_t *stream = (uv_stream_t *)&connection->pipe;
    if (connection->closing) {
        return;
    }
    struct answer *answer = line_need(malloc(sizeof *answer));
    answer->text = line_answer(id, result, &length);
    answer->write.data = answer;
    uv_buf_t bytes = uv_buf_init(answer->text, (unsigned)length);
    if (uv_write(&answer->write, stream, &bytes, 1, on_written) != 0) {
        free(answer->text);
        free(answer);
        close_connection(connection);
    } else if (uv_stream_get_write_queue_size(stream) > connection->door->max_backlog) {
        struct line_door *door = connection->door;
        door->host->metric_add(door->slow_readers, 1);
        close_connection(connection);
    }
}

static void answer_error(struct line_connection *connection, const char *id,
                         enum muster_status status, const char *sentence) {
    struct muster_result result = line_error(status, sentence);
    answer(connection, id, &result);
}

/* Answers a request with an error, and forgets it. */
static void turn_down(struct line_request *request, enum muster_status status,
                      const char *sentence) {
    struct line_connection *connection = request->connection;
    char *id = request->message.id;
    request->message.id = NULL;
    remove_request(request);
    answer_error(connection, id, status, sentence);
    free(id);
}

/* ---- the stages of a request ---- */

static void submit(struct line_request *request) {
    struct line_door *door = request->connection->door;
    struct line_message *message = &request->message;
    enum muster_status status =
        door->host->submit(door->plugin,
                           &(struct muster_request){
                               .size = sizeof(struct muster_request),
                               .caller = request->connection->caller,
                               .operation = {message->operation, strlen(message->operation)},
                               .arguments = message->arguments,
                               .count = message->count,
                               .timeout_ms = message->timeout_ms,
                               .context = request,
                           },
                           &request->id);
    line_message_forget(message);
    if (status != MUSTER_OK) {
        turn_down(request, status, "the daemon takes no more requests now");
    }
}

static void authenticate(struct line_request *request) {
    struct line_door *door = request->connection->door;
    const char *token = request->message.token;
    enum muster_status status = door->host->authenticate(door->plugin,
                                                         &(struct muster_credentials){
                                                             .purpose = MUSTER_PURPOSE_CALLER,
                                                             .token = {token, strlen(token)},
                                                             .transport = "transport_line",
                                                         },
                                                         request, &request->id);
    if (status != MUSTER_OK) {
        turn_down(request, status, "the daemon can ask nobody who this is now");
        return;
    }
    request->connection->authenticating = true;
}

void line_authenticated(void *state, void *context, enum muster_status status,
                        struct muster_caller *caller, const char *message) {
    struct line_door *door = state;
    struct line_request *request = context;
    struct line_connection *connection = request->connection;
    connection->authenticating = false;
    /* A token that does not hold takes the one before with it: nobody goes on as who they were. */
    if (connection->caller != NULL) {
        door->host->caller_release(door->plugin, &connection->caller);
    }
    connection->caller = caller;
    if (status == MUSTER_OK) {
        submit(request);
    } else {
        turn_down(request, status, message);
    }
    read_lines(connection);
    close_if_finished(connection);
}

void line_replied(void *state, void *context, const struct muster_result *result) {
    struct line_request *request = context;
    struct line_connection *connection = request->connection;
    (void)state;
    char *id = request->message.id;
    request->message.id = NULL;
    remove_request(request);
    answer(connection, id, result);
    free(id);
    close_if_finished(connection);
}

/* ---- lines ---- */

static void receive(struct line_connection *connection, const char *line, size_t length) {
    struct line_message message;
    struct muster_complaint complaint = {{0}};
    enum muster_status status = line_message_read(&message, line, length, &complaint);
    const char *sentence = complaint.text;
    if (status == MUSTER_OK && connection->pending >= connection->door->max_pending) {
        status = MUSTER_OVERLOADED;
        sentence = "too many requests of this connection are pending";
    }
    if (status != MUSTER_OK) {
        answer_error(connection, message.id, status, sentence);
        line_message_free(&message);
    } else if (message.token != NULL) {
        authenticate(add_request(connection, &message));
    } else {
        submit(add_request(connection, &message));
    }
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buffer);

static void allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer) {
    struct line_connection *connection = handle->data;
    (void)suggested;
    *buffer = uv_buf_init(connection->input + connection->length, READ_BYTES);
}

/* Reads on as long as there is room for a chunk. */
static void set_reading(struct line_connection *connection) {
    bool wanted = !connection->closing && !connection->finishing &&
                  connection->length <= connection->door->max_line;
    if (wanted == connection->reading || connection->closing) {
        return;
    }
    connection->reading = wanted;
    if (wanted) {
        uv_read_start((uv_stream_t *)&connection->pipe, allocate, on_read);
    } else {
        uv_read_stop((uv_stream_t *)&connection->pipe);
    }
}

/* Takes the complete lines out of the input, as far as they may be looked at now. */
static void read_lines(struct line_connection *connection) {
    const struct line_door *door = connection->door;
    size_t begin = 0;
    while (!connection->closing && !connection->finishing && !connection->authenticating) {
        char *line = connection->input + begin;
        char *end = memchr(line, '\n', connection->length - begin);
        size_t length = end != NULL ? (size_t)(end - line) : connection->length - begin;
        if (length > door->max_line && !connection->skipping) {
            connection->skipping = true;
            answer_error(connection, "null", MUSTER_TOO_LARGE, "the line is longer than max_line");
        }
        if (end == NULL) {
            begin += connection->skipping ? length : 0;
            break;
        }
        if (!connection->skipping) {
            receive(connection, line, length);
        }
        connection->skipping = false;
        begin += length + 1;
    }
    if (connection->closing) {
        return;
    }
    connection->length -= begin;
    memmove(connection->input, connection->input + begin, connection->length);
    explicit_bzero(connection->input + connection->length, begin); /* there was a token, perhaps */
    set_reading(connection);
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buffer) {
    struct line_connection *connection = stream->data;
    (void)buffer;
    if (got < 0) {
        close_connection(connection);
    } else {
        connection->length += (size_t)got;
        read_lines(connection);
    }
}

/* ---- beginning and end ---- */

void line_accept(uv_stream_t *listener, int status) {
    struct line_door *door = listener->data;
    if (status != 0) {
        door->host->log(door->plugin, MUSTER_LOG_WARN, "accept", "%s", uv_strerror(status));
        return;
    }
    struct line_connection *connection = line_need(calloc(1, sizeof *connection));
    connection->door = door;
    connection->input = line_need(malloc(door->max_line + READ_BYTES));
    uv_pipe_init(listener->loop, &connection->pipe, 0);
    connection->pipe.data = connection;
    connection->next = door->connections;
    connection->link = &door->connections;
    if (connection->next != NULL) {
        connection->next->link = &connection->next;
    }
    door->connections = connection;
    door->connection_count++;
    door->host->hold(door->plugin, "connection");
    door->host->metric_add(door->open, 1);
    if (uv_accept(listener, (uv_stream_t *)&connection->pipe) != 0) {
        close_connection(connection);
    } else if (door->connection_count > door->max_connections) {
        door->host->metric_add(door->turned_away, 1);
        close_connection(connection);
    } else {
        set_reading(connection);
    }
}

void line_finish_all(struct line_door *door) {
    for (struct line_connection *at = door->connections; at != NULL; at = at->next) {
        at->finishing = true;
        set_reading(at);
        close_if_finished(at); /* on_closed comes in a later turn: `at` stays in the list */
    }
}

void line_abandon_all(struct line_door *door) {
    for (struct line_connection *at = door->connections; at != NULL; at = at->next) {
        const struct line_request *request = at->requests;
        while (request != NULL) {
            answer_error(at, request->message.id, MUSTER_TIMEOUT,
                         "the daemon ends and waits no longer; the outcome is unknown");
            /* It may have been one too many for the reader: then all of them are gone. */
            request = at->closing ? NULL : request->next;
        }
        close_connection(at); /* what the socket's buffer took is delivered, the rest is lost */
    }
}
