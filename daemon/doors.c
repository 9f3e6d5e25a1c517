#include "doors.h"

#include <stdlib.h>
#include <unistd.h>

#include "auth/auth.h"
#include "base/alloc.h"
#include "collect.h"
#include "events/events.h"
#include "metrics/process.h"
#include "registry/registry.h"
#include "request/request.h"

struct mu_doors {
    struct mu_doors_options options;
    struct mu_metrics *metrics;
    struct mu_events *events;
    struct mu_auth *auth;
    struct mu_plugins *plugins;
    struct mu_registry *registry; /* NULL until opened */
    struct mu_requests *requests; /* NULL until opened, and once they are closing */
    bool opened;
    bool requests_closed;
    bool closing;
    bool clean;
    void (*stopped)(void *context);
    void *stopped_context;
    void (*closed)(void *context, bool clean);
    void *closed_context;
};

/* ---- metrics ---- */

static void collect(void *context) {
    struct mu_doors *self = context;
    mu_collect_build(self->metrics);
    mu_collect_auth(self->metrics, self->auth);
    mu_collect_events(self->metrics, self->events);
    if (self->requests != NULL) {
        mu_collect_requests(self->metrics, self->requests);
    }
}

struct mu_metrics *mu_doors_metrics(struct mu_doors *self) {
    return self->metrics;
}

/* ---- from create to open ---- */

struct mu_doors *mu_doors_create(const struct mu_doors_options *options) {
    const struct mu_config *config = options->config;
    struct mu_doors *self = mu_calloc(1, sizeof *self);
    self->options = *options;
    self->metrics = mu_metrics_create();
    self->events = mu_events_create(config->name_space);
    self->auth = mu_auth_create(&(struct mu_auth_options){
        .allow_by_default = config->authorization.fallback == MU_DEFAULT_ALLOW,
        .cache_entries = config->authorization.cache_entries,
        .log = options->log,
    });
    self->plugins = mu_plugins_create(&(struct mu_plugins_options){
        .loop = options->loop,
        .config = config,
        .log = options->log,
        .metrics = self->metrics,
        .events = self->events,
        .auth = self->auth,
        .log_fd = STDERR_FILENO,
        .context = options->context,
        .redis_ms = options->redis_ms,
    });
    mu_metrics_source(self->metrics, collect, self);
    mu_metrics_process(self->metrics);
    return self;
}

enum muster_status mu_doors_load(struct mu_doors *self, struct mu_error *error) {
    return mu_plugins_load(self->plugins, error);
}

static struct mu_requests_limits limits_of(const struct mu_config *config) {
    return (struct mu_requests_limits){
        .pending_max = config->limits.requests,
        .bytes_max = config->limits.request_bytes,
        .argument_max = config->limits.argument,
        .timeout_ms = config->limits.request_timeout_ms,
    };
}

enum muster_status mu_doors_open(struct mu_doors *self, struct mu_link *link,
                                 struct mu_subscriber *subscriber, struct mu_error *error) {
    const struct mu_config *config = self->options.config;
    self->opened = true;
    self->registry = mu_registry_create(&(struct mu_registry_options){
        .link = link, .name_space = config->name_space, .version = MUSTER_VERSION});
    self->requests = mu_requests_create(&(struct mu_requests_options){
        .loop = self->options.loop,
        .registry = self->registry,
        .auth = self->auth,
        .log = self->options.log,
        .daemon = config->coordinator.id,
        .limits = limits_of(config),
    });
    mu_events_attach(self->events, subscriber);
    mu_plugins_connect(self->plugins, self->requests, link);
    return mu_plugins_start(self->plugins, error);
}

/* ---- what is passed on ---- */

void mu_doors_message(struct mu_doors *self, const char *pattern, const char *channel,
                      const char *payload, size_t length) {
    mu_events_message(self->events, pattern, channel, payload, length);
}

void mu_doors_subscriber_up(struct mu_doors *self) {
    mu_events_up(self->events);
}

void mu_doors_confirmed(struct mu_doors *self, uint64_t mark) {
    mu_events_confirmed(self->events, mark);
}

void mu_doors_coordinating(struct mu_doors *self, bool active) {
    mu_plugins_coordinating(self->plugins, active);
}

enum muster_status mu_doors_reload(struct mu_doors *self, const struct mu_config *fresh,
                                   struct mu_reload_counts *counts, struct mu_error *error) {
    return mu_plugins_reload(self->plugins, fresh, counts, error);
}

void mu_doors_reconfigure(struct mu_doors *self) {
    struct mu_requests_limits limits = limits_of(self->options.config);
    if (self->requests != NULL) {
        mu_requests_set_limits(self->requests, &limits);
    }
}

void mu_doors_flush(struct mu_doors *self) {
    struct mu_auth_counts counts;
    mu_auth_counts(self->auth, &counts);
    mu_auth_flush(self->auth);
    MU_LOG(self->options.log, MU_LOG_INFO, "auth.flushed", MU_INT("decisions", counts.cached));
}

/* ---- the end ---- */

static void on_plugins_closed(void *context) {
    struct mu_doors *self = context;
    void (*closed)(void *context, bool clean) = self->closed;
    void *closed_context = self->closed_context;
    bool clean = self->clean;
    if (clean) { /* otherwise what is left of a plugin may still use them */
        mu_registry_destroy(&self->registry);
        mu_auth_destroy(&self->auth);
        mu_events_destroy(&self->events);
        mu_metrics_destroy(&self->metrics);
        free(self);
    }
    closed(closed_context, clean);
}

static void close_plugins(struct mu_doors *self) {
    self->clean = mu_plugins_close(&self->plugins, on_plugins_closed, self);
}

static void on_requests_closed(void *context) {
    struct mu_doors *self = context;
    self->requests_closed = true;
    if (self->closing) {
        close_plugins(self);
    }
}

static void on_plugins_stopped(void *context) {
    struct mu_doors *self = context;
    mu_events_attach(self->events, NULL);
    mu_requests_close(&self->requests, on_requests_closed, self);
    self->stopped(self->stopped_context);
}

void mu_doors_stop(struct mu_doors *self, void (*stopped)(void *context), void *context) {
    self->stopped = stopped;
    self->stopped_context = context;
    mu_plugins_stop(self->plugins, on_plugins_stopped, self);
}

void mu_doors_close(struct mu_doors **doors, void (*closed)(void *context, bool clean),
                    void *context) {
    struct mu_doors *self = *doors;
    *doors = NULL;
    self->closing = true;
    self->closed = closed;
    self->closed_context = context;
    if (!self->opened || self->requests_closed) {
        close_plugins(self);
    }
}
