#include "integration/auth_http/service.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/test.h"

#define SCRIPT MUSTER_SOURCE_DIR "/tests/integration/auth_http/service.py"

const char *mt_service_text(struct mt_service *service, const char *format, ...) {
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0)
        abort();
    va_end(arguments);
    return mt_keep_text(service->stand, text);
}

/* ---- the service ---- */

/* A port that was ours may be somebody else's for a moment: then it ends. */
static bool start(struct mt_service *service) {
    const char *argv[8] = {"/usr/bin/python3", SCRIPT,
                           mt_service_text(service, "%d", service->port)};
    struct mt_world *world = service->stand->world;
    for (size_t i = 0; service->tls != NULL && service->tls[i] != NULL; i++)
        argv[3 + i] = service->tls[i];
    service->process =
        mt_process_start(world, mt_service_text(service, "service%u", ++service->times), argv);
    char *line = NULL;
    MT_WAIT(world,
            (line = mt_process_next_line(service->process, MT_STDOUT)) != NULL ||
                !mt_process_running(service->process),
            "the port of the service");
    if (line == NULL)
        return false;
    service->port = (int)mt_int(mt_parsed(service->stand, line), "port");
    free(line);
    return true;
}

void mt_service_start(struct mt_service *service, const char *const *tls) {
    service->tls = tls;
    MT_WAIT(service->stand->world, start(service), "the service on its port");
}

void mt_service_create(struct mt_service *service) {
    *service = (struct mt_service){.stand = mt_stand_create(&mt_door_pubsub, NULL)};
}

void mt_service_destroy(struct mt_service *service) {
    if (service->client != NULL)
        service->stand->door->close(&service->client);
    mt_stand_destroy(&service->stand);
}

void mt_service_kill(struct mt_service *service) {
    mt_process_kill(service->process);
}

void mt_service_restart(struct mt_service *service) {
    mt_service_start(service, service->tls);
}

static char *said(struct mt_service *service) {
    return mt_process_output(service->process, MT_STDOUT);
}

size_t mt_service_asked(struct mt_service *service, const char *session) {
    char *text = said(service);
    size_t count = 0;
    char *rest = text;
    for (char *line = NULL; (line = strsep(&rest, "\n")) != NULL;) {
        json_t *heard = json_loads(line, 0, NULL);
        const json_t *question = json_object_get(heard, "question");
        const char *about =
            json_string_value(json_object_get(json_object_get(question, "resource"), "session"));
        if (question != NULL &&
            (session == NULL || strcmp(about != NULL ? about : "", session) == 0))
            count++;
        json_decref(heard);
    }
    free(text);
    return count;
}

const json_t *mt_service_last(struct mt_service *service) {
    char *text = said(service);
    size_t length = strlen(text);
    assert_true(length > 0 && text[length - 1] == '\n');
    text[length - 1] = '\0';
    const char *line = strrchr(text, '\n');
    const json_t *heard = mt_parsed(service->stand, line != NULL ? line + 1 : text);
    free(text);
    return heard;
}

/* ---- the daemon ---- */

static const char *config_file(struct mt_service *service) {
    return mt_world_path(service->stand->world, "musterd.yaml");
}

void mt_service_configure(struct mt_service *service, const char *config) {
    struct mt_world *world = service->stand->world;
    FILE *file = fopen(config_file(service), "we");
    assert_non_null(file);
    fprintf(file,
            "namespace: " MT_NAMESPACE "\n"
            "state_dir: %s\n"
            "redis: {mode: external, url: \"%s\"}\n"
            "coordinator: {id: d1}\n"
            "detector: {suspect_after: 1h, dead_after: 2h}\n"
            "log: {level: debug, format: json}\n"
            "authorization: {default: allow, chain: [auth_http]}\n"
            /* A machine may stand still for longer than a question may take. */
            "limits: {request_timeout: 1m, argument: 256KiB}\n"
            "plugins:\n"
            "  path: " MUSTER_BUILD_DIR "/plugins\n"
            "  load: [{name: transport_pubsub}, {name: auth_http, config: {%s}}]\n",
            mt_world_path(world, "state"), mt_server_url(service->stand->server), config);
    assert_int_equal(fclose(file), 0);
}

const char *mt_service_usual(struct mt_service *service, const char *more) {
    return mt_service_text(service,
                           "url: 'http://127.0.0.1:%d/authorize', actions: [session.enter]%s",
                           service->port, more);
}

void mt_service_daemon(struct mt_service *service, const char *config) {
    struct mt_stand *stand = service->stand;
    mt_service_configure(service, config);
    service->daemon = mt_process_start(
        stand->world, "daemon",
        (const char *const[]){MUSTER_BUILD_DIR "/musterd", "--config", config_file(service), NULL});
    mt_daemon_await(service->daemon, "lease.acquired");
    free(mt_process_wait_line(service->daemon, MT_STDERR, "\"event\":\"data."));
    service->client = stand->door->open(stand, "node-1", NULL);
    mt_ask(stand, service->client, "START", "node-1", "k1");
}

void mt_service_reload(struct mt_service *service, const char *config, const char *event) {
    mt_service_configure(service, config);
    mt_process_signal(service->daemon, SIGHUP);
    mt_daemon_await(service->daemon, event);
    mt_daemon_await(service->daemon, strcmp(event, "plugin.reload_refused") == 0
                                         ? "config.refused"
                                         : "config.reloaded");
}

long long mt_service_total(struct mt_service *service, const char *name) {
    char *log = mt_process_output(service->daemon, MT_STDERR);
    const char *line = strstr(log, "plugin.auth_http.totals");
    const char *needle = mt_service_text(service, " %s=", name);
    if (line == NULL)
        mt_fail(service->stand->world, "no totals in the log");
    /* The first has no space before it. */
    const char *found = strstr(line, needle);
    found = found != NULL ? found : strstr(line, needle + 1);
    if (found == NULL)
        mt_fail(service->stand->world, "no %s in the totals", name);
    long long number = strtoll(strchr(found, '=') + 1, NULL, 10);
    free(log);
    return number;
}

void mt_service_never_logged(struct mt_service *service, const char *text) {
    const enum mt_stream streams[] = {MT_STDOUT, MT_STDERR};
    for (size_t i = 0; i < 2; i++) {
        char *log = mt_process_output(service->daemon, streams[i]);
        if (strstr(log, text) != NULL)
            mt_fail(service->stand->world, "'%s' stands in the log", text);
        free(log);
    }
}
