/* client.c - CLIENT, as far as client libraries use it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "session.h"

static void answer_ok(struct resp_session *session) {
    resp_out_status(resp_session_reply(session), "OK");
}

static bool is_word(const struct muster_text *text) {
    for (size_t i = 0; i < text->length; i++) {
        if (text->data[i] <= ' ' || text->data[i] > '~') {
            return false;
        }
    }
    return text->length <= RESP_NAME_MAX;
}

static void set(struct resp_session *session, char **where, const struct muster_text *text) {
    if (!is_word(text)) {
        resp_bad(session, "names have at most %d bytes and no spaces or special characters",
                 RESP_NAME_MAX);
        return;
    }
    free(*where);
    *where = text->length > 0 ? resp_copy(text->data, text->length) : NULL;
    answer_ok(session);
}

static const char *or_empty(const char *text) {
    return text != NULL ? text : "";
}

static void answer_info(struct resp_session *session) {
    const struct resp_door *door = session->door;
    const struct muster_principal *principal =
        session->caller != NULL ? door->host->caller_principal(door->plugin, session->caller)
                                : NULL;
    uint64_t now = door->host->now_ms(door->plugin);
    char text[2048];
    int length = snprintf(
        text, sizeof text,
        "id=%llu addr=%s fd=-1 name=%s age=%llu idle=%llu flags=%s db=0 sub=%zu psub=%zu ssub=0 "
        "multi=-1 cmd=client user=%s lib-name=%s lib-ver=%s resp=%d\n",
        (unsigned long long)session->id, session->peer, or_empty(session->name),
        (unsigned long long)((now - session->born_at) / 1000),
        (unsigned long long)((now - session->asked_at) / 1000),
        session->channels + session->patterns > 0 ? "P" : "N", session->channels, session->patterns,
        principal != NULL ? principal->id : "anonymous", or_empty(session->library),
        or_empty(session->library_version), session->out.protocol);
    size_t size = (size_t)length < sizeof text ? (size_t)length : sizeof text - 1;
    resp_out_bulk(resp_session_reply(session), text, size);
}

static void set_info(struct resp_session *session, const struct muster_text *arguments,
                     size_t count) {
    if (count == 3 && resp_is(&arguments[1], "LIB-NAME")) {
        set(session, &session->library, &arguments[2]);
    } else if (count == 3 && resp_is(&arguments[1], "LIB-VER")) {
        set(session, &session->library_version, &arguments[2]);
    } else {
        resp_bad(session, "CLIENT SETINFO knows LIB-NAME and LIB-VER, with a text");
    }
}

/* Settings of which this door has one state only. */
static bool answer_fixed(struct resp_session *session, const struct muster_text *arguments,
                         size_t count) {
    static const struct {
        const char *name, *argument; /* argument NULL: any */
    } fixed[] = {
        {"NO-EVICT", NULL}, {"NO-TOUCH", NULL}, {"TRACKING", "OFF"},
        {"REPLY", "ON"},    {"CACHING", "NO"},
    };
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++) {
        if (count == 2 && resp_is(&arguments[0], fixed[i].name) &&
            (fixed[i].argument == NULL || resp_is(&arguments[1], fixed[i].argument))) {
            answer_ok(session);
            return true;
        }
    }
    return false;
}

RESP_COMMAND(client) {
    const struct muster_text *what = &arguments[0];
    if (resp_is(what, "ID") && count == 1) {
        resp_out_integer(resp_session_reply(session), (long long)session->id);
    } else if (resp_is(what, "GETNAME") && count == 1) {
        struct resp_out *out = resp_session_reply(session);
        if (session->name != NULL) {
            resp_out_bulk(out, session->name, strlen(session->name));
        } else {
            resp_out_null(out);
        }
    } else if (resp_is(what, "SETNAME") && count == 2) {
        set(session, &session->name, &arguments[1]);
    } else if (resp_is(what, "SETINFO")) {
        set_info(session, arguments, count);
    } else if ((resp_is(what, "INFO") && count == 1) || resp_is(what, "LIST")) {
        answer_info(session); /* of this one only, whoever asks */
    } else if (resp_is(what, "GETREDIR") && count == 1) {
        resp_out_integer(resp_session_reply(session), -1);
    } else if (!answer_fixed(session, arguments, count)) {
        resp_bad(session,
                 "CLIENT is CLIENT ID|INFO|LIST|GETNAME|GETREDIR|SETNAME name|SETINFO LIB-NAME|"
                 "LIB-VER text|NO-EVICT on|off|NO-TOUCH on|off|TRACKING off|CACHING no|REPLY on");
    }
}
