/* connection.c - commands of the connection itself: HELLO, AUTH, PING, ECHO, SELECT, QUIT, RESET.
 */
#include <stdlib.h>
#include <string.h>

#include "session.h"

/* ---- PING, ECHO, SELECT ---- */

RESP_COMMAND(ping) {
    struct resp_out *out = resp_session_reply(session);
    if (resp_session_restricted(session)) {
        resp_out_array(out, 2);
        resp_out_bulk(out, "pong", 4);
        resp_out_bulk(out, count > 0 ? arguments[0].data : "", count > 0 ? arguments[0].length : 0);
    } else if (count > 0) {
        resp_out_bulk(out, arguments[0].data, arguments[0].length);
    } else {
        resp_out_status(out, "PONG");
    }
}

RESP_COMMAND(echo) {
    (void)count;
    resp_out_bulk(resp_session_reply(session), arguments[0].data, arguments[0].length);
}

RESP_COMMAND(select) {
    (void)count;
    if (resp_is(&arguments[0], "0")) {
        resp_out_status(resp_session_reply(session), "OK");
    } else {
        resp_bad(session, "there is one database, 0");
    }
}

/* ---- HELLO, AUTH ---- */

static void say_hello(struct resp_session *session) {
    struct resp_out *out = &session->out;
    resp_out_map(out, 7);
    resp_out_bulk(out, "server", 6);
    resp_out_bulk(out, "muster", 6);
    resp_out_bulk(out, "version", 7);
    resp_out_bulk(out, MUSTER_VERSION, strlen(MUSTER_VERSION));
    resp_out_bulk(out, "proto", 5);
    resp_out_integer(out, out->protocol);
    resp_out_bulk(out, "id", 2);
    resp_out_integer(out, (long long)session->id);
    resp_out_bulk(out, "mode", 4);
    resp_out_bulk(out, "standalone", 10);
    resp_out_bulk(out, "role", 4);
    resp_out_bulk(out, "master", 6);
    resp_out_bulk(out, "modules", 7);
    resp_out_array(out, 0);
}

/* The replies below go straight into `out`: AUTH and HELLO wait until nothing is under way. */

static void set_name(struct resp_session *session, char *name) {
    if (name != NULL) {
        free(session->name);
        session->name = name[0] != '\0' ? name : NULL;
        if (name[0] == '\0') {
            free(name);
        }
    }
}

void resp_identified(struct resp_session *session, enum resp_identity_stage stage,
                     enum muster_status status, const char *message) {
    char *name = session->hello_name;
    session->hello_name = NULL;
    if (stage == RESP_ASKED_CERTIFICATE) {
        return; /* nobody asked: what is not allowed to anonymous ones is denied later */
    }
    if (status != MUSTER_OK) {
        /* The word that clients know for credentials that do not hold. */
        resp_out_error(&session->out,
                       status == MUSTER_UNAUTHENTICATED ? "WRONGPASS" : resp_status_code(status),
                       message != NULL && message[0] != '\0' ? message : "the token does not hold");
        free(name);
        return;
    }
    if (stage == RESP_ASKED_AUTH) {
        resp_out_status(&session->out, "OK");
        return;
    }
    set_name(session, name);
    session->out.protocol = session->hello_protocol;
    say_hello(session);
}

/* Clients that are given a token alone say `default`, as Redis calls who has no other name. */
static struct muster_text user_of(const struct muster_text *user) {
    const struct muster_text none = {0};
    return strcmp(user->data, "default") == 0 ? none : *user;
}

RESP_COMMAND(auth) {
    const struct muster_text none = {0};
    resp_identify(session, RESP_ASKED_AUTH, count == 2 ? user_of(&arguments[0]) : none,
                  arguments[count - 1]);
}

/* The protocol that is asked for; 0: none that there is. */
static int protocol_of(const struct muster_text *text) {
    return resp_is(text, "2") ? 2 : resp_is(text, "3") ? 3 : 0;
}

static bool is_name(const struct muster_text *text) {
    for (size_t i = 0; i < text->length; i++) {
        if (text->data[i] <= ' ' || text->data[i] > '~') {
            return false;
        }
    }
    return text->length <= RESP_NAME_MAX;
}

RESP_COMMAND(hello) {
    const struct muster_text *credentials = NULL;
    const struct muster_text *name = NULL;
    int protocol = count > 0 ? protocol_of(&arguments[0]) : session->out.protocol;
    if (protocol == 0) {
        resp_out_error(&session->out, "NOPROTO", "unsupported protocol version; there are 2 and 3");
        return;
    }
    for (size_t i = 1; i < count;) {
        if (resp_is(&arguments[i], "AUTH") && i + 2 < count) {
            credentials = &arguments[i + 1];
            i += 3;
        } else if (resp_is(&arguments[i], "SETNAME") && i + 1 < count &&
                   is_name(&arguments[i + 1])) {
            name = &arguments[i + 1];
            i += 2;
        } else {
            resp_bad(session, "HELLO is HELLO [2|3 [AUTH user token] [SETNAME name]], a name "
                              "without spaces");
            return;
        }
    }
    char *copy = name != NULL ? resp_copy(name->data, name->length) : NULL;
    if (credentials == NULL) {
        set_name(session, copy);
        session->out.protocol = protocol;
        say_hello(session);
        return;
    }
    if (!resp_rate_take(session)) {
        free(copy);
        resp_out_error(&session->out, resp_status_code(MUSTER_RATE_LIMITED),
                       "too many requests a second; try again later");
        return;
    }
    session->hello_protocol = protocol;
    session->hello_name = copy;
    resp_identify(session, RESP_ASKED_HELLO, user_of(&credentials[0]), credentials[1]);
}

/* ---- QUIT, RESET ---- */

RESP_COMMAND(quit) {
    (void)arguments;
    (void)count;
    resp_lifelines_drop(session);
    resp_out_status(&session->out, "OK");
    resp_session_close(session);
}

RESP_COMMAND(reset) {
    (void)arguments;
    (void)count;
    const struct resp_door *door = session->door;
    resp_lifelines_drop(session);
    resp_topics_remove_all(session);
    resp_rate_leave(session);
    if (session->caller != NULL) {
        door->host->caller_release(door->plugin, &session->caller);
    }
    free(session->name);
    session->name = NULL;
    session->out.protocol = 2;
    resp_out_status(&session->out, "RESET");
}
