/* service.h - a daemon with auth_http, and the service that it asks (service.py). */
#ifndef MT_AUTH_HTTP_SERVICE_H
#define MT_AUTH_HTTP_SERVICE_H

#include "contract/doors/pubsub.h"
#include "lib/json.h"
#include "lib/wait.h"

struct mt_service {
    struct mt_stand *stand;
    struct mt_process *process; /* the service */
    struct mt_process *daemon;
    struct mt_client *client; /* instance node-1, anonymous */
    int port;
    const char *const *tls;
    unsigned times; /* it was started */
};

/* A Redis; no service and no daemon yet. */
void mt_service_create(struct mt_service *service);
void mt_service_destroy(struct mt_service *service);
/* `tls`: further arguments of service.py, ended by NULL; or NULL. Not copied. */
void mt_service_start(struct mt_service *service, const char *const *tls);
/* SIGKILL; and again on the same port. */
void mt_service_kill(struct mt_service *service);
void mt_service_restart(struct mt_service *service);

/* Starts a daemon; `config` are the keys of auth_http as YAML: "url: 'http://...', timeout: 1s".
 * Whatever nobody decides is allowed. The client's instance is started. */
void mt_service_daemon(struct mt_service *service, const char *config);
/* Keys with which it asks this service, on the path /authorize, about session.enter; and `more`,
 * such as ", timeout: 1s", which may be empty. */
const char *mt_service_usual(struct mt_service *service, const char *more);
/* A new configuration, SIGHUP, and the line of the log that says what came of it. */
void mt_service_reload(struct mt_service *service, const char *config, const char *event);
/* Writes the configuration only. */
void mt_service_configure(struct mt_service *service, const char *config);
/* The text, as long as the stand. */
const char *mt_service_text(struct mt_service *service, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* How many questions about this session (NULL: any question; "" one without) the service got. */
size_t mt_service_asked(struct mt_service *service, const char *session);
/* The last line that it said about one; lives as long as the stand. */
const json_t *mt_service_last(struct mt_service *service);

/* The number behind `name=` in the line of totals, which is written when the daemon stops. */
long long mt_service_total(struct mt_service *service, const char *name);
/* Fails when a file that the daemon wrote holds the text. */
void mt_service_never_logged(struct mt_service *service, const char *text);

#endif
