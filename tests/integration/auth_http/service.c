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

/* A port that was ours may be somebody else's for a moment: then it ends, and is started again. */
static bool start(struct mt_service *service, const char *name) {
    const char *argv[8] = {"/usr/bin/python3", SCRIPT,
                           mt_service_text(service, "%d", service->port)};
    struct mt_world *world = service->stand->world;
    for (size_t i = 0; service->tls != NULL && service->tls[i] != NULL; i++)
        argv[3 + i] = service->tls[i];
    service->process = mt_process_start(world, name, argv);
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

void mt_service_create(struct mt_service *service, const char *const *tls) {
    *service = (struct mt_service){.tls = tls};
    service->stand = mt_stand_create(&mt_door_pubsub, NULL);
    if (tls == NULL)
        assert_true(start(service, "service"));
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
    static unsigned times;
    MT_WAIT(service->stand->world, start(service, mt_service_text(service, "service%u", ++times)),
            "the service on its port");
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

void mt_service_daemon_with(struct mt_service *service, const char *config) {
    struct mt_stand *stand = service->stand;
    const char **set = calloc(5, sizeof *set);
    assert_non_null(set);
    set[0] =
        mt_service_text(service,
                        "plugins.load=[{name: '" MUSTER_BUILD_DIR "/plugins/transport_pubsub.so'}, "
                        "{name: '" MUSTER_BUILD_DIR "/plugins/auth_http.so', config: {%s}}]",
                        config);
    set[1] = "authorization.chain=[auth_http]";
    /* A machine may stand still for longer than a question may take. */
    set[2] = "limits.request_timeout=1m";
    stand->set = set;
    service->daemon = mt_stand_lead(stand, "daemon", false);
    stand->set = NULL;
    free(set);
    service->client = stand->door->open(stand, "node-1", NULL);
    mt_ask(stand, service->client, "START", "node-1", "k1");
}

void mt_service_daemon(struct mt_service *service, const char *config) {
    mt_service_daemon_with(service, mt_service_text(service,
                                                    "url: 'http://127.0.0.1:%d/authorize', "
                                                    "actions: [session.enter]%s",
                                                    service->port, config));
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
