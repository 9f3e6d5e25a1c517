/* about.c - what programs and people ask about the daemon: ACL, COMMAND, CONFIG, HELP, INFO,
 * METRICS. */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "session.h"

/* The Redis whose protocol and replies are spoken; clients look at it to know what they may send.
 */
#define REDIS_VERSION "7.2.0"

static void bulk(struct resp_out *out, const char *text) {
    resp_out_bulk(out, text, strlen(text));
}

RESP_COMMAND(acl) {
    const struct resp_door *door = session->door;
    const struct muster_principal *principal =
        session->caller != NULL ? door->host->caller_principal(door->plugin, session->caller)
                                : NULL;
    (void)count;
    if (resp_is(&arguments[0], "WHOAMI")) {
        bulk(resp_session_reply(session), principal != NULL ? principal->id : "anonymous");
    } else {
        resp_bad(session, "ACL knows WHOAMI only; who may what is in the daemon's configuration");
    }
}

/* What redis-benchmark asks before it begins; nothing else is known. */
RESP_COMMAND(config) {
    static const char *const known[][2] = {{"save", ""}, {"appendonly", "no"}};
    size_t found = 0;
    if (!resp_is(&arguments[0], "GET") || count < 2) {
        resp_bad(session, "CONFIG knows GET only; the daemon's configuration is a file");
        return;
    }
    for (size_t i = 0; i < 2; i++) {
        found += resp_is(&arguments[1], known[i][0]);
    }
    struct resp_out *out = resp_session_reply(session);
    resp_out_map(out, found);
    for (size_t i = 0; i < 2; i++) {
        if (resp_is(&arguments[1], known[i][0])) {
            bulk(out, known[i][0]);
            bulk(out, known[i][1]);
        }
    }
}

RESP_COMMAND(metrics) {
    (void)arguments;
    (void)count;
    resp_submit_metrics(session);
}

/* ---- INFO ---- */

static bool wants(const struct muster_text *arguments, size_t count, const char *section) {
    for (size_t i = 0; i < count; i++) {
        if (resp_is(&arguments[i], section) || resp_is(&arguments[i], "all") ||
            resp_is(&arguments[i], "default") || resp_is(&arguments[i], "everything")) {
            return true;
        }
    }
    return count == 0;
}

static void line(struct resp_out *out, const char *format, ...) MUSTER_PRINTF(2, 3);
static void line(struct resp_out *out, const char *format, ...) {
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    resp_out_raw(out, text, (size_t)length < sizeof text ? (size_t)length : sizeof text - 1);
    resp_out_raw(out, "\r\n", 2);
}

RESP_COMMAND(info) {
    const struct resp_door *door = session->door;
    const struct muster_host *host = door->host;
    const int64_t *counts = door->counts.values;
    struct resp_out text = {0};
    if (wants(arguments, count, "server")) {
        line(&text, "# Server");
        line(&text, "redis_version:%s", REDIS_VERSION);
        line(&text, "redis_mode:standalone");
        line(&text, "muster_version:%s", MUSTER_VERSION);
        line(&text, "muster_abi:%u.%u", (unsigned)host->abi_major, (unsigned)host->abi_minor);
        line(&text, "process_id:%ld", (long)getpid());
        line(&text, "uptime_in_seconds:%llu",
             (unsigned long long)((host->now_ms(door->plugin) - door->started_at) / 1000));
        line(&text, "%s", "");
    }
    if (wants(arguments, count, "clients")) {
        line(&text, "# Clients");
        line(&text, "connected_clients:%zu", door->session_count);
        line(&text, "maxclients:%zu", door->settings.max_sockets);
        line(&text, "%s", "");
    }
    if (wants(arguments, count, "persistence")) {
        line(&text, "# Persistence");
        line(&text, "loading:0");
        line(&text, "%s", "");
    }
    if (wants(arguments, count, "stats")) {
        line(&text, "# Stats");
        line(&text, "total_connections_received:%lld", (long long)counts[RESP_COUNT_ACCEPTED]);
        line(&text, "total_commands_processed:%lld", (long long)counts[RESP_COUNT_REQUESTS]);
        line(&text, "%s", "");
    }
    if (wants(arguments, count, "replication")) {
        line(&text, "# Replication");
        line(&text, "role:master");
        line(&text, "connected_slaves:0");
        line(&text, "%s", "");
    }
    if (wants(arguments, count, "muster")) {
        line(&text, "# Muster");
        line(&text, "namespace:%s", host->name_space(door->plugin));
        line(&text, "daemon:%s", host->daemon_id(door->plugin));
        for (size_t i = 0; i < RESP_COUNTS; i++) {
            line(&text, "%s:%lld", resp_count_name((enum resp_count)i), (long long)counts[i]);
        }
        line(&text, "%s", "");
    }
    resp_out_bulk(resp_session_reply(session), text.data != NULL ? text.data : "", text.length);
    resp_out_deinit(&text);
}

/* ---- HELP ---- */

static void help_line(struct resp_out *out, const char *name, const char *usage,
                      const char *summary) {
    char text[512];
    snprintf(text, sizeof text, "%s%s%s%s%s", name, usage[0] != '\0' ? " " : "", usage,
             summary[0] != '\0' ? " - " : "", summary);
    bulk(out, text);
}

static bool matches(const struct muster_text *wanted, const char *name) {
    return wanted == NULL || resp_is(wanted, name);
}

RESP_COMMAND(help) {
    const struct resp_door *door = session->door;
    const struct muster_text *wanted = count > 0 ? &arguments[0] : NULL;
    size_t lines = 0;
    for (size_t i = 0; i < door->operation_count; i++) {
        lines += matches(wanted, door->operations[i].name);
    }
    for (size_t i = 0; i < resp_command_count; i++) {
        lines += matches(wanted, resp_commands[i].name);
    }
    if (lines == 0) {
        resp_bad(session, "unknown command '%.64s'; HELP lists them", arguments[0].data);
        return;
    }
    struct resp_out *out = resp_session_reply(session);
    resp_out_array(out, lines);
    for (size_t i = 0; i < door->operation_count; i++) {
        if (matches(wanted, door->operations[i].name)) {
            help_line(out, door->operations[i].name, door->operations[i].usage, "");
        }
    }
    for (size_t i = 0; i < resp_command_count; i++) {
        if (matches(wanted, resp_commands[i].name)) {
            help_line(out, resp_commands[i].name, resp_commands[i].usage, resp_commands[i].summary);
        }
    }
}

/* ---- COMMAND ---- */

/* One command of either table. */
struct entry {
    const char *name, *usage, *summary;
    size_t least, most;
    bool writes, subscribes;
};

static size_t entry_count(const struct resp_door *door) {
    return door->operation_count + resp_command_count;
}

static struct entry entry_at(const struct resp_door *door, size_t index) {
    if (index < door->operation_count) {
        const struct muster_operation_info *info = &door->operations[index];
        return (struct entry){info->name,  info->usage, "An operation of muster",
                              info->least, info->most,  info->writes,
                              false};
    }
    const struct resp_command *command = &resp_commands[index - door->operation_count];
    bool subscribes = strstr(command->name, "SUBSCRIBE") != NULL;
    return (struct entry){command->name, command->usage, command->summary, command->least,
                          command->most, false,          subscribes};
}

static void lower(char *to, size_t size, const char *from) {
    size_t i = 0;
    for (; from[i] != '\0' && i + 1 < size; i++) {
        to[i] = (char)tolower((unsigned char)from[i]);
    }
    to[i] = '\0';
}

/* name, arity, flags, first key, last key, step, categories, tips, key specifications,
 * subcommands. */
static void write_entry(struct resp_out *out, const struct entry *entry) {
    char name[64];
    lower(name, sizeof name, entry->name);
    resp_out_array(out, 10);
    bulk(out, name);
    resp_out_integer(out, entry->least == entry->most ? (long long)entry->least + 1
                                                      : -(long long)entry->least - 1);
    resp_out_set(out, 1);
    resp_out_status(out, entry->writes ? "write" : entry->subscribes ? "pubsub" : "readonly");
    for (int i = 0; i < 3; i++) {
        resp_out_integer(out, 0);
    }
    for (int i = 0; i < 4; i++) {
        resp_out_array(out, 0);
    }
}

static void write_docs(struct resp_out *out, const struct entry *entry) {
    char name[64];
    lower(name, sizeof name, entry->name);
    bulk(out, name);
    resp_out_map(out, 4);
    bulk(out, "summary");
    bulk(out, entry->summary);
    bulk(out, "since");
    bulk(out, "1.0.0");
    bulk(out, "group");
    bulk(out, entry->subscribes ? "pubsub" : "connection");
    bulk(out, "arguments");
    resp_out_array(out, entry->usage[0] != '\0' ? 1 : 0);
    if (entry->usage[0] != '\0') {
        resp_out_map(out, 3);
        bulk(out, "name");
        bulk(out, entry->usage);
        bulk(out, "type");
        bulk(out, "string");
        bulk(out, "display_text");
        bulk(out, entry->usage);
    }
}

/* NULL names: all. */
static bool chosen(const struct entry *entry, const struct muster_text *names, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (resp_is(&names[i], entry->name)) {
            return true;
        }
    }
    return count == 0;
}

static void answer_docs(struct resp_session *session, const struct muster_text *names,
                        size_t count) {
    const struct resp_door *door = session->door;
    size_t found = 0;
    for (size_t i = 0; i < entry_count(door); i++) {
        struct entry entry = entry_at(door, i);
        found += chosen(&entry, names, count);
    }
    struct resp_out *out = resp_session_reply(session);
    resp_out_map(out, found);
    for (size_t i = 0; i < entry_count(door); i++) {
        struct entry entry = entry_at(door, i);
        if (chosen(&entry, names, count)) {
            write_docs(out, &entry);
        }
    }
}

static void answer_info(struct resp_session *session, const struct muster_text *names,
                        size_t count) {
    const struct resp_door *door = session->door;
    struct resp_out *out = resp_session_reply(session);
    if (count == 0) {
        resp_out_array(out, entry_count(door));
        for (size_t i = 0; i < entry_count(door); i++) {
            struct entry entry = entry_at(door, i);
            write_entry(out, &entry);
        }
        return;
    }
    resp_out_array(out, count);
    for (size_t n = 0; n < count; n++) {
        bool found = false;
        for (size_t i = 0; i < entry_count(door) && !found; i++) {
            struct entry entry = entry_at(door, i);
            found = resp_is(&names[n], entry.name);
            if (found) {
                write_entry(out, &entry);
            }
        }
        if (!found) {
            resp_out_null(out);
        }
    }
}

RESP_COMMAND(command) {
    const struct resp_door *door = session->door;
    if (count == 0) {
        answer_info(session, NULL, 0);
    } else if (resp_is(&arguments[0], "COUNT") && count == 1) {
        resp_out_integer(resp_session_reply(session), (long long)entry_count(door));
    } else if (resp_is(&arguments[0], "DOCS")) {
        answer_docs(session, arguments + 1, count - 1);
    } else if (resp_is(&arguments[0], "INFO")) {
        answer_info(session, arguments + 1, count - 1);
    } else if (resp_is(&arguments[0], "LIST") && count == 1) {
        struct resp_out *out = resp_session_reply(session);
        resp_out_array(out, entry_count(door));
        for (size_t i = 0; i < entry_count(door); i++) {
            char name[64];
            lower(name, sizeof name, entry_at(door, i).name);
            bulk(out, name);
        }
    } else {
        resp_bad(session, "COMMAND is COMMAND [COUNT|DOCS [name...]|INFO [name...]|LIST]");
    }
}
