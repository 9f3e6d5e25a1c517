#include "server.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "process.h"

struct mb_server {
    char *socket;
    char *version;
    pid_t process;
    struct mb_pipe *control;
};

/* The value of `name:` in an INFO text, or NULL. Borrowed; ends at the end of its line. */
static const char *info_value(const char *text, const char *name) {
    size_t length = strlen(name);
    for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, length) == 0 && line[length] == ':')
            return line + length + 1;
    }
    return NULL;
}

static double info_number(struct mb_server *server, const char *section, const char *name) {
    redisReply *reply = MB_CALL(server->control, "INFO", section);
    const char *value = info_value(reply->str, name);
    if (value == NULL)
        mb_fail("INFO %s of this Redis has no %s (7.0 or later is needed)", section, name);
    double number = strtod(value, NULL);
    freeReplyObject(reply);
    return number;
}

struct mb_server *mb_server_start(const char *directory) {
    struct mb_server *server = mu_calloc(1, sizeof *server);
    char *log = NULL;
    if (asprintf(&server->socket, "%s/redis.sock", directory) < 0 ||
        asprintf(&log, "%s/redis.log", directory) < 0)
        mb_fail("out of memory");
    const char *const argv[] = {"redis-server", "--port", "0", "--unixsocket", server->socket,
                                "--dir", directory, "--save", "", "--appendonly", "no",
                                "--daemonize", "no", "--loglevel", "warning",
                                /* who listens to all events must not be dropped by it */
                                "--client-output-buffer-limit", "pubsub 0 0 0", NULL};
    server->process = mb_start(argv, MB_CORE_REDIS, log);
    free(log);
    server->control = mb_pipe_open(server->socket);
    redisReply *reply = MB_CALL(server->control, "INFO", "server");
    const char *version = info_value(reply->str, "redis_version");
    server->version =
        version != NULL ? mu_strndup(version, strcspn(version, "\r\n")) : mu_strdup("unknown");
    freeReplyObject(reply);
    return server;
}

void mb_server_stop(struct mb_server **pointer) {
    struct mb_server *server = *pointer;
    if (server == NULL)
        return;
    *pointer = NULL;
    mb_pipe_close(&server->control);
    mb_end(&server->process, SIGKILL);
    remove(server->socket);
    free(server->socket);
    free(server->version);
    free(server);
}

const char *mb_server_socket(const struct mb_server *server) {
    return server->socket;
}

pid_t mb_server_process(const struct mb_server *server) {
    return server->process;
}

const char *mb_server_version(const struct mb_server *server) {
    return server->version;
}

struct mb_pipe *mb_server_control(struct mb_server *server) {
    return server->control;
}

void mb_server_empty(struct mb_server *server) {
    MB_DO(server->control, "FLUSHALL", "SYNC");
}

double mb_server_cpu(struct mb_server *server) {
    redisReply *reply = MB_CALL(server->control, "INFO", "cpu");
    const char *system = info_value(reply->str, "used_cpu_sys_main_thread");
    const char *user = info_value(reply->str, "used_cpu_user_main_thread");
    if (system == NULL || user == NULL)
        mb_fail("INFO cpu of this Redis does not tell the CPU of its main thread");
    double seconds = strtod(system, NULL) + strtod(user, NULL);
    freeReplyObject(reply);
    return seconds;
}

/* Tables that were growing are moved over in the background: both copies count until then. */
double mb_server_memory(struct mb_server *server) {
    double last = info_number(server, "memory", "used_memory");
    for (int still = 0, tries = 0; still < 3 && tries < 100; tries++) {
        mb_sleep(0.1);
        double now = info_number(server, "memory", "used_memory");
        double moved = now > last ? now - last : last - now;
        still = moved < 4096 ? still + 1 : 0;
        last = now;
    }
    return last;
}

void mb_server_reset_commands(struct mb_server *server) {
    MB_DO(server->control, "CONFIG", "RESETSTAT");
}

json_t *mb_server_commands(struct mb_server *server) {
    static const char prefix[] = "cmdstat_";
    redisReply *reply = MB_CALL(server->control, "INFO", "commandstats");
    json_t *commands = json_object();
    for (char *line = strstr(reply->str, prefix); line != NULL; line = strstr(line, prefix)) {
        char *name = line + sizeof prefix - 1;
        char *value = strstr(name, ":calls=");
        if (value == NULL)
            break;
        *value = '\0';
        line = value + strlen(":calls=");
        json_object_set_new(commands, name, json_integer(strtoll(line, NULL, 10)));
    }
    freeReplyObject(reply);
    return commands;
}

void mb_server_command(struct mb_server *server, const char *name, double *calls,
                       double *spent_us) {
    char field[64];
    snprintf(field, sizeof field, "cmdstat_%s", name);
    redisReply *reply = MB_CALL(server->control, "INFO", "commandstats");
    const char *value = info_value(reply->str, field);
    const char *spent = value != NULL ? strstr(value, ",usec=") : NULL;
    *calls = spent != NULL ? strtod(value + strlen("calls="), NULL) : 0;
    *spent_us = spent != NULL ? strtod(spent + strlen(",usec="), NULL) : 0;
    freeReplyObject(reply);
}

void mb_server_watch_slow(struct mb_server *server) {
    MB_DO(server->control, "CONFIG", "SET", "slowlog-log-slower-than", "100", "slowlog-max-len",
          "20000");
    MB_DO(server->control, "SLOWLOG", "RESET");
}

double mb_server_slowest_ms(struct mb_server *server, char *what, size_t size) {
    MB_DO(server->control, "CONFIG", "SET", "slowlog-log-slower-than", "-1");
    redisReply *reply = MB_CALL(server->control, "SLOWLOG", "GET", "-1");
    long long longest = 0;
    snprintf(what, size, "nothing");
    /* An entry: id, time, microseconds, its words, ... */
    for (size_t i = 0; i < reply->elements; i++) {
        const redisReply *entry = reply->element[i];
        if (entry->elements < 4 || entry->element[2]->integer <= longest)
            continue;
        const redisReply *words = entry->element[3];
        longest = entry->element[2]->integer;
        snprintf(what, size, "%.40s %.40s", words->element[0]->str,
                 words->elements > 1 ? words->element[1]->str : "");
    }
    freeReplyObject(reply);
    MB_DO(server->control, "SLOWLOG", "RESET");
    return (double)longest / 1e3;
}
