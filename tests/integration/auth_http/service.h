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
    const char *const *tls; /* further arguments of service.py, ended by NULL; or NULL */
};

/* A Redis and the service; no daemon yet. */
void mt_service_create(struct mt_service *service, const char *const *tls);
void mt_service_destroy(struct mt_service *service);
/* SIGKILL; and again on the same port. */
void mt_service_kill(struct mt_service *service);
void mt_service_restart(struct mt_service *service);

/* The daemon asks `http://127.0.0.1:<port>/authorize` about session.enter; `config` are further
 * keys as YAML, such as ", timeout: 1s", and may be empty. Whatever nobody decides is allowed. */
void mt_service_daemon(struct mt_service *service, const char *config);
/* The same with the whole mapping. */
void mt_service_daemon_with(struct mt_service *service, const char *config);
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
