/* commands.c - which request is what. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "session.h"

#define MANY MUSTER_ARGUMENTS_MAX

/* Commands of the connection; the operations of muster come from the host's table. */
const struct resp_command resp_commands[] = {
    {"ACL", 1, 1, 0, resp_acl, "WHOAMI", "Who the daemon takes you for"},
    {"AUTH", 1, 2, RESP_ALONE | RESP_RATED, resp_auth, "[user] token", "Say who you are"},
    {"CLIENT", 1, MANY, 0, resp_client,
     "ID|INFO|LIST|GETNAME|SETNAME|SETINFO|NO-EVICT|NO-TOUCH|...", "About this connection"},
    {"COMMAND", 0, MANY, 0, resp_command, "[COUNT|DOCS|INFO|LIST]", "About commands, for programs"},
    {"CONFIG", 1, MANY, 0, resp_config, "GET name...", "Answers that there is no such setting"},
    {"ECHO", 1, 1, 0, resp_echo, "message", "Says it back"},
    {"HELLO", 0, 6, RESP_ALONE, resp_hello, "[2|3 [AUTH user token] [SETNAME name]]",
     "Protocol, identity and name at once"},
    {"HELP", 0, 1, 0, resp_help, "[command]", "All commands"},
    {"INFO", 0, MANY, 0, resp_info, "[section...]", "About this daemon"},
    {"METRICS", 0, 0, RESP_RATED, resp_metrics, "",
     "All metrics of this daemon in Prometheus' text format"},
    {"PING", 0, 1, RESP_RESTRICTED, resp_ping, "[message]", "Is anybody there"},
    {"PSUBSCRIBE", 1, MANY, RESP_ALONE | RESP_RESTRICTED | RESP_RATED, resp_psubscribe,
     "pattern...", "Hear the events of session:<text with *>, or of * for all"},
    {"PUNSUBSCRIBE", 0, MANY, RESP_ALONE | RESP_RESTRICTED, resp_punsubscribe, "[pattern...]",
     "Hear them no longer"},
    {"QUIT", 0, 0, RESP_ALONE | RESP_RESTRICTED, resp_quit, "",
     "Close; instances of this "
     "connection go on"},
    {"RESET", 0, 0, RESP_ALONE | RESP_RESTRICTED, resp_reset, "", "As if just connected"},
    {"SELECT", 1, 1, 0, resp_select, "0", "There is one database"},
    {"SUBSCRIBE", 1, MANY, RESP_ALONE | RESP_RESTRICTED | RESP_RATED, resp_subscribe, "channel...",
     "Hear the events of session:<session>, instances or coordinator"},
    {"UNSUBSCRIBE", 0, MANY, RESP_ALONE | RESP_RESTRICTED, resp_unsubscribe, "[channel...]",
     "Hear them no longer"},
};
const size_t resp_command_count = sizeof resp_commands / sizeof resp_commands[0];

bool resp_is(const struct muster_text *text, const char *word) {
    return strlen(word) == text->length && strncasecmp(text->data, word, text->length) == 0;
}

const struct resp_command *resp_command_find(const struct muster_text *name) {
    for (size_t i = 0; i < resp_command_count; i++) {
        if (resp_is(name, resp_commands[i].name)) {
            return &resp_commands[i];
        }
    }
    return NULL;
}

/* Names differ in length and first letter, nearly all of them. */
static size_t bucket(const char *name, size_t length) {
    return ((size_t)(name[0] & 31) * 5 + length) % RESP_BUCKETS;
}

void resp_operations_index(struct resp_door *door) {
    for (size_t i = 0; i < door->operation_count && i < MUSTER_OPERATIONS; i++) {
        const char *name = door->operations[i].name;
        unsigned char *head = &door->operation_heads[bucket(name, strlen(name))];
        door->operation_nexts[i] = *head;
        *head = (unsigned char)(i + 1);
    }
}

const struct muster_operation_info *resp_operation_find(const struct resp_door *door,
                                                        const struct muster_text *name) {
    size_t at = name->length > 0 ? door->operation_heads[bucket(name->data, name->length)] : 0;
    for (; at != 0; at = door->operation_nexts[at - 1]) {
        if (resp_is(name, door->operations[at - 1].name)) {
            return &door->operations[at - 1];
        }
    }
    return NULL;
}

void resp_bad(struct resp_session *session, const char *format, ...) {
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    resp_out_error(resp_session_reply(session), resp_status_code(MUSTER_BAD_REQUEST), text);
}

static void refuse_restricted(struct resp_session *session, const struct muster_text *name) {
    char text[256];
    snprintf(text, sizeof text,
             "Can't execute '%.32s': only (P)SUBSCRIBE / (P)UNSUBSCRIBE / PING / QUIT / RESET are "
             "allowed while subscribed; HELLO 3 lifts that",
             name->data);
    resp_out_error(resp_session_reply(session), "ERR", text); /* the word that clients know */
}

static bool rate_allows(struct resp_session *session) {
    if (resp_rate_take(session)) {
        return true;
    }
    resp_out_error(resp_session_reply(session), resp_status_code(MUSTER_RATE_LIMITED),
                   "too many requests a second; try again later");
    return false;
}

/* Runs it, or says why not. */
static void run(struct resp_session *session, const struct resp_command *command,
                const struct muster_text *arguments, size_t count) {
    if (resp_session_restricted(session) && (command->flags & RESP_RESTRICTED) == 0) {
        refuse_restricted(session, &arguments[-1]);
    } else if (count < command->least || count > command->most) {
        resp_bad(session, "wrong number of arguments for '%s'; it is %s %s", command->name,
                 command->name, command->usage);
    } else if ((command->flags & RESP_RATED) == 0 || rate_allows(session)) {
        command->run(session, arguments, count);
    }
}

static void unknown(struct resp_session *session, const struct muster_text *name) {
    if (resp_session_restricted(session)) {
        refuse_restricted(session, name);
    } else {
        resp_bad(session, "unknown command '%.64s'; HELP lists them", name->data);
    }
}

bool resp_dispatch(struct resp_session *session) {
    const struct muster_text *arguments = session->parser.arguments;
    size_t count = session->parser.count - 1;
    /* Operations are what comes most: they are looked for first. */
    const struct muster_operation_info *operation =
        resp_operation_find(session->door, &arguments[0]);
    if (operation != NULL && !resp_session_restricted(session)) {
        if (rate_allows(session)) {
            resp_submit(session, operation, arguments + 1, count);
        }
        return true;
    }
    const struct resp_command *command = resp_command_find(&arguments[0]);
    if (command == NULL) {
        unknown(session, &arguments[0]);
        return true;
    }
    if ((command->flags & RESP_ALONE) != 0 && session->first != NULL) {
        return false;
    }
    run(session, command, arguments + 1, count);
    return true;
}
