#include "app.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/ids.h"
#include "collect.h"
#include "coordinator/coordinator.h"
#include "coordinator/keeper.h"
#include "coordinator/prepare.h"
#include "coordinator/roster.h"
#include "doors.h"
#include "metrics/listener.h"
#include "metrics/metrics.h"
#include "place.h"
#include "redis/managed.h"

struct mu_app {
    uv_loop_t *loop;
    struct mu_config *config;
    struct mu_log *log;
    struct mu_supervise *supervise; /* not owned */
    void (*on_ended)(void *context);
    void *context;
    char client_name[MU_ID_SIZE + 16];
    struct mu_managed *managed;   /* NULL unless redis.mode is managed */
    struct mu_sentinel *sentinel; /* NULL unless redis.mode is sentinel */
    struct mu_link *link;         /* NULL until it is known where Redis is */
    struct mu_subscriber *subscriber;
    struct mu_preparer *preparer;
    struct mu_coordinator *coordinator;
    struct mu_roster *roster;
    struct mu_keeper *keeper;
    struct mu_doors *doors;
    struct mu_scrape *scrape; /* NULL unless metrics.listen is given */
    struct mu_error failure;  /* why it ends by itself; status OK: it does not */
    bool unclean;
    bool was_ready;
    bool coordinates;
    bool stopping;
};

static const char *role(const struct mu_app *app) {
    return app->coordinates ? "coordinating" : "standby, another daemon may coordinate";
}

/* ---- the command link ---- */

static void on_prepared(void *context, const struct mu_error *error,
                        const struct mu_prepared *prepared) {
    struct mu_app *app = context;
    if (error != NULL) {
        MU_LOG(app->log, MU_LOG_ERROR, "redis.unusable", MU_STR("error", error->text));
        mu_link_reject(app->link, error->text);
        mu_supervise_status(app->supervise, error->text);
        if (app->sentinel != NULL && prepared->replica) {
            mu_sentinel_refused(app->sentinel, error->text);
        }
        return;
    }
    mu_link_open(app->link);
    if (app->sentinel != NULL) {
        mu_sentinel_fine(app->sentinel);
    }
    MU_LOG(app->log, MU_LOG_INFO, app->was_ready ? "redis.ready" : "daemon.ready",
           MU_STR("redis_version", prepared->version), MU_STR("run", prepared->run),
           MU_STR("library", prepared->library_loaded ? "loaded" : "present"));
    app->was_ready = true;
    mu_supervise_ready(app->supervise, role(app));
    mu_coordinator_link_up(app->coordinator, prepared);
    if (app->roster != NULL) {
        mu_roster_up(app->roster);
        mu_keeper_up(app->keeper, prepared->library_loaded);
    }
}

static void on_connected(void *context) {
    struct mu_app *app = context;
    if (!app->stopping) {
        mu_preparer_begin(app->preparer, app->link,
                          app->sentinel == NULL ? 0 : mu_sentinel_failover(app->sentinel));
    }
}

static void on_link_down(void *context, const struct mu_error *reason) {
    struct mu_app *app = context;
    (void)reason; /* the link has said it */
    mu_coordinator_link_down(app->coordinator);
    if (!app->stopping) {
        mu_supervise_status(app->supervise, "Redis is away");
    }
    if (app->sentinel != NULL) {
        mu_sentinel_lost(app->sentinel);
    }
}

static void on_library_missing(void *context) {
    struct mu_app *app = context;
    if (app->link == NULL) {
        return; /* closing: what was under way is being answered */
    }
    mu_link_reject(app->link, "the functions library is gone; it is loaded on a new connection");
}

/* ---- subscriptions ---- */

static void on_message(void *context, const char *pattern, const char *channel, const char *payload,
                       size_t length) {
    struct mu_app *app = context;
    mu_coordinator_message(app->coordinator, pattern, channel, payload, length);
    mu_doors_message(app->doors, pattern, channel, payload, length);
}

static void on_subscriber_up(void *context) {
    struct mu_app *app = context;
    mu_coordinator_subscriber_up(app->coordinator);
    mu_doors_subscriber_up(app->doors);
}

static void on_subscriber_confirmed(void *context, uint64_t mark) {
    struct mu_app *app = context;
    mu_doors_confirmed(app->doors, mark);
}

static void on_subscriber_down(void *context, const struct mu_error *reason) {
    struct mu_app *app = context;
    (void)reason;
    mu_coordinator_subscriber_down(app->coordinator);
}

/* ---- doors ---- */

static void on_duty(void *context, bool active) {
    struct mu_app *app = context;
    app->coordinates = active;
    if (!app->stopping) {
        mu_supervise_status(app->supervise, role(app));
    }
    if (app->doors != NULL) {
        mu_doors_coordinating(app->doors, active);
    }
    if (app->roster != NULL) {
        mu_roster_duty(app->roster, active);
        mu_keeper_duty(app->keeper, active);
    }
}

static void on_flush(void *context) {
    struct mu_app *app = context;
    mu_doors_flush(app->doors);
}

/* What there is only once it is known where Redis is. */
static void collect(void *context) {
    struct mu_app *app = context;
    struct mu_coordinator_view view;
    if (app->doors == NULL) {
        return; /* closing */
    }
    struct mu_metrics *metrics = mu_doors_metrics(app->doors);
    if (app->coordinator != NULL) {
        mu_coordinator_view(app->coordinator, &view);
        mu_collect_coordinator(metrics, &view);
    }
    if (app->link != NULL && app->subscriber != NULL) {
        mu_collect_redis(metrics, app->link, app->subscriber);
    }
}

static uint64_t redis_ms(void *context) {
    const struct mu_app *app = context;
    return app->coordinator != NULL ? mu_coordinator_redis_ms(app->coordinator) : 0;
}

static bool ready(void *context, char *why, size_t size) {
    const struct mu_app *app = context;
    struct mu_coordinator_view view = {0};
    if (app->coordinator != NULL) {
        mu_coordinator_view(app->coordinator, &view);
    }
    const char *sentence = app->stopping                                      ? "it is ending"
                           : app->link == NULL || !mu_link_is_open(app->link) ? "no link to Redis"
                           : !mu_subscriber_is_up(app->subscriber) ? "no subscriptions at Redis"
                           : !view.known                           ? "no coordinator is known"
                                                                   : NULL;
    snprintf(why, size, "%s", sentence != NULL ? sentence : "");
    return sentence == NULL;
}

static enum muster_status listen_for_scrapes(struct mu_app *app) {
    if (app->config->metrics.listen[0] == '\0') {
        return MUSTER_OK;
    }
    app->scrape = mu_scrape_create(
        &(struct mu_scrape_options){
            .loop = app->loop,
            .metrics = mu_doors_metrics(app->doors),
            .address = app->config->metrics.listen,
            .any_host = app->config->metrics.allow_remote == MU_SWITCH_TRUE,
            .context = app,
            .ready = ready,
        },
        &app->failure);
    if (app->scrape == NULL) {
        return mu_error_prefix(&app->failure, "metrics.listen");
    }
    char address[MU_ENDPOINT_SIZE];
    mu_scrape_address(app->scrape, address, sizeof address);
    MU_LOG(app->log, MU_LOG_INFO, "metrics.listening", MU_STR("address", address));
    return MUSTER_OK;
}

/* The plugins cannot do their work, or an address is taken: the daemon cannot go on. */
static void give_up(struct mu_app *app) {
    MU_LOG(app->log, MU_LOG_ERROR, "daemon.failed", MU_STR("error", app->failure.text));
    mu_app_stop(app);
}

/* ---- where Redis is ---- */

static struct mu_place_client caller_of(struct mu_app *app) {
    return (struct mu_place_client){
        .config = app->config, .client_name = app->client_name, .log = app->log, .context = app};
}

static void connect_to(struct mu_app *app, const struct mu_redis_address *address) {
    char text[512];
    mu_redis_address_describe(address, text, sizeof text);
    MU_LOG(app->log, MU_LOG_INFO, "redis.address", MU_STR("address", text));
    if (app->link != NULL && app->sentinel != NULL) {
        mu_link_move(app->link, address);
        mu_subscriber_move(app->subscriber, address);
        return;
    }
    if (app->link != NULL) {
        mu_link_set_address(app->link, address);
        mu_subscriber_set_address(app->subscriber, address);
        return;
    }
    const struct mu_config *config = app->config;
    const struct mu_place_client who = caller_of(app);
    struct mu_link_options link = mu_place_link(&who, address);
    link.on_connected = on_connected;
    link.on_down = on_link_down;
    app->link = mu_link_create(app->loop, &link);
    struct mu_subscriber_options subscriber = mu_place_subscriber(&who, address);
    subscriber.on_message = on_message;
    subscriber.on_up = on_subscriber_up;
    subscriber.on_confirmed = on_subscriber_confirmed;
    subscriber.on_down = on_subscriber_down;
    app->subscriber = mu_subscriber_create(app->loop, &subscriber);
    app->coordinator =
        mu_coordinator_create(app->loop, &(struct mu_coordinator_options){
                                             .config = config,
                                             .log = app->log,
                                             .link = app->link,
                                             .subscriber = app->subscriber,
                                             .database = address->database,
                                             .context = app,
                                             .on_library_missing = on_library_missing,
                                             .on_flush = on_flush,
                                             .on_duty = on_duty,
                                         });
    app->roster = mu_roster_create(app->loop, &(struct mu_roster_options){
                                                  .link = app->link,
                                                  .config = config,
                                                  .version = MUSTER_VERSION,
                                                  .log = app->log,
                                              });
    app->keeper = mu_keeper_create(
        app->loop,
        &(struct mu_keeper_options){.link = app->link, .config = config, .log = app->log});
    if (mu_doors_open(app->doors, app->link, app->subscriber, &app->failure) != MUSTER_OK) {
        give_up(app);
    }
}

static void on_managed_ready(void *context, const struct mu_redis_address *address) {
    struct mu_app *app = context;
    if (!app->stopping) {
        connect_to(app, address);
    }
}

static void on_managed_failed(void *context, const struct mu_error *error) {
    struct mu_app *app = context;
    MU_LOG(app->log, MU_LOG_ERROR, "redis.managed_failed", MU_STR("error", error->text));
}

static void on_master(void *context, const struct mu_redis_address *address) {
    struct mu_app *app = context;
    if (!app->stopping) {
        connect_to(app, address);
    }
}

static void follow(struct mu_app *app, const struct mu_sentinel_places *places) {
    const struct mu_place_client who = caller_of(app);
    struct mu_sentinel_options options = mu_place_sentinel(&who, places);
    options.on_master = on_master;
    app->sentinel = mu_sentinel_create(app->loop, &options);
}

static void manage(struct mu_app *app) {
    const struct mu_config *config = app->config;
    app->managed =
        mu_managed_create(app->loop, &(struct mu_managed_options){
                                         .state_dir = config->state_dir,
                                         .server = config->redis.managed.server,
                                         .port = (uint16_t)config->redis.managed.port,
                                         .appendfsync = config->redis.managed.appendfsync,
                                         .log = app->log,
                                         .context = app,
                                         .on_ready = on_managed_ready,
                                         .on_failed = on_managed_failed,
                                     });
}

/* ---- life ---- */

struct mu_app *mu_app_create(uv_loop_t *loop, struct mu_config *config, struct mu_log *log,
                             void (*on_ended)(void *context), void *context,
                             struct mu_error *error) {
    struct mu_place place;
    if (mu_place_read(config, &place, error) != MUSTER_OK) {
        mu_place_deinit(&place);
        return NULL;
    }
    struct mu_app *app = mu_calloc(1, sizeof *app);
    app->loop = loop;
    app->config = config;
    app->log = log;
    app->on_ended = on_ended;
    app->context = context;
    snprintf(app->client_name, sizeof app->client_name, "musterd:%s", config->coordinator.id);
    app->preparer = mu_preparer_create(log, on_prepared, app);
    MU_LOG(log, MU_LOG_INFO, "daemon.starting", MU_STR("version", MUSTER_VERSION),
           MU_STR("namespace", config->name_space), MU_STR("id", config->coordinator.id));
    app->doors = mu_doors_create(&(struct mu_doors_options){
        .loop = loop, .config = config, .log = log, .context = app, .redis_ms = redis_ms});
    mu_metrics_source(mu_doors_metrics(app->doors), collect, app);
    if (mu_doors_load(app->doors, &app->failure) != MUSTER_OK ||
        listen_for_scrapes(app) != MUSTER_OK) {
        give_up(app);
    } else if (config->redis.mode == MU_REDIS_EXTERNAL) {
        connect_to(app, &place.address);
    } else if (config->redis.mode == MU_REDIS_SENTINEL) {
        follow(app, &place.sentinels);
    } else {
        manage(app);
    }
    mu_place_deinit(&place);
    return app;
}

void mu_app_supervise(struct mu_app *app, struct mu_supervise *supervise) {
    app->supervise = supervise;
    if (!app->stopping) {
        mu_supervise_status(supervise, "waiting for Redis");
    }
}

static void on_found_closed(void *context) {
    struct mu_app *app = context;
    MU_LOG(app->log, MU_LOG_INFO, "daemon.ended", MU_STR("id", app->config->coordinator.id));
    app->on_ended(app->context);
}

/* What tells where Redis is goes last. */
static void close_found(void *context) {
    struct mu_app *app = context;
    if (app->sentinel != NULL) {
        mu_sentinel_close(&app->sentinel, on_found_closed, app);
        return;
    }
    if (app->managed == NULL) {
        on_found_closed(app);
        return;
    }
    bool stop = strcmp(app->config->redis.managed.on_exit, "stop") == 0;
    mu_managed_close(&app->managed, stop, on_found_closed, app);
}

static void on_doors_closed(void *context, bool clean) {
    struct mu_app *app = context;
    app->unclean = !clean;
    if (app->coordinator != NULL) {
        mu_coordinator_close(&app->coordinator, close_found, app);
    } else {
        close_found(app);
    }
}

static void close_doors(void *context) {
    struct mu_app *app = context;
    mu_scrape_close(&app->scrape);
    mu_doors_close(&app->doors, on_doors_closed, app);
}

static void close_link(void *context) {
    struct mu_app *app = context;
    mu_link_close(&app->link, close_doors, app);
}

static void on_stopped(void *context) {
    struct mu_app *app = context;
    mu_subscriber_close(&app->subscriber, close_link, app);
}

/* No door is open any more; the lease may go. */
static void on_doors_stopped(void *context) {
    struct mu_app *app = context;
    mu_coordinator_stop(app->coordinator, on_stopped, app);
}

void mu_app_stop(struct mu_app *app) {
    if (app->stopping) {
        return;
    }
    app->stopping = true;
    mu_supervise_stopping(app->supervise);
    MU_LOG(app->log, MU_LOG_INFO, "daemon.stopping", MU_STR("id", app->config->coordinator.id));
    mu_roster_close(&app->roster);
    mu_keeper_close(&app->keeper);
    if (app->coordinator != NULL) {
        mu_doors_stop(app->doors, on_doors_stopped, app);
    } else {
        close_doors(app);
    }
}

/* ---- another configuration ---- */

static enum muster_status check_place(const struct mu_config *config, struct mu_error *error) {
    struct mu_place place;
    enum muster_status status = mu_place_read(config, &place, error);
    mu_place_deinit(&place);
    return status;
}

struct reloading {
    struct mu_app *app;
    struct mu_reload_counts counts;
};

static void on_change(void *context, const struct mu_config_change *change) {
    struct reloading *reloading = context;
    struct mu_log *log = reloading->app->log;
    if (change->applied) {
        reloading->counts.applied++;
        MU_LOG(log, MU_LOG_INFO, "config.applied", MU_STR("key", change->key),
               MU_STR("value", change->value));
    } else {
        reloading->counts.waiting++;
        MU_LOG(log, MU_LOG_WARN, "config.needs_restart", MU_STR("key", change->key),
               MU_STR("message", "it has changed, and counts once the daemon is restarted"));
    }
}

void mu_app_reload(struct mu_app *app, const struct mu_config *fresh) {
    struct reloading reloading = {.app = app};
    struct mu_error error = {0};
    if (app->stopping) {
        return;
    }
    if (check_place(fresh, &error) != MUSTER_OK ||
        mu_doors_reload(app->doors, fresh, &reloading.counts, &error) != MUSTER_OK) {
        mu_app_refuse(app, &error);
        return;
    }
    mu_config_adopt(app->config, fresh, on_change, &reloading);
    mu_doors_reconfigure(app->doors);
    if (app->coordinator != NULL) {
        mu_coordinator_reconfigure(app->coordinator);
    }
    MU_LOG(app->log, MU_LOG_INFO, "config.reloaded", MU_STR("id", app->config->coordinator.id),
           MU_INT("applied", reloading.counts.applied),
           MU_INT("needs_restart", reloading.counts.waiting));
    mu_log_set_level(app->log, app->config->log.level); /* all of the above is still seen */
}

void mu_app_refuse(struct mu_app *app, const struct mu_error *error) {
    MU_LOG(app->log, MU_LOG_ERROR, "config.refused", MU_STR("error", error->text),
           MU_STR("message", "nothing has changed; the daemon goes on with what it has"));
}

const char *mu_app_failure(const struct mu_app *app) {
    return app->failure.status != MUSTER_OK ? app->failure.text : NULL;
}

bool mu_app_clean(const struct mu_app *app) {
    return !app->unclean;
}

/* ---- --check ---- */

static void on_checked(void *context, bool clean) {
    bool *result = context;
    *result = clean;
}

enum muster_status mu_app_check(const struct mu_config *config, struct mu_error *error) {
    uv_loop_t loop;
    bool clean = false;
    enum muster_status status = check_place(config, error);
    if (status != MUSTER_OK) {
        return status;
    }
    if (uv_loop_init(&loop) != 0) {
        return mu_error_set(error, MUSTER_INTERNAL, "no event loop");
    }
    struct mu_doors *doors =
        mu_doors_create(&(struct mu_doors_options){.loop = &loop, .config = config});
    status = mu_doors_load(doors, error);
    mu_doors_close(&doors, on_checked, &clean);
    uv_run(&loop, UV_RUN_DEFAULT);
    if ((uv_loop_close(&loop) != 0 || !clean) && status == MUSTER_OK) {
        return mu_error_set(error, MUSTER_INTERNAL, "a plugin left something open in init");
    }
    return status;
}

void mu_app_destroy(struct mu_app **app) {
    if (*app == NULL) {
        return;
    }
    mu_preparer_destroy(&(*app)->preparer);
    free(*app);
    *app = NULL;
}
