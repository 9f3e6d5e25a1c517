#include "plugin/plugins.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "plugin/internal.h"

enum { PHASE_NONE, PHASE_TRANSPORTS, PHASE_OTHERS, PHASE_OVER };

/* ---- small questions ---- */

bool mu_plugin_alive(const struct muster_plugin *plugin) {
    return plugin->life < MU_PLUGIN_STOPPED;
}

static size_t open_count(const struct muster_plugin *plugin) {
    return HASH_COUNT(plugin->asked) + plugin->timer_count + plugin->works + plugin->callers +
           plugin->holds;
}

size_t mu_plugins_count(const struct mu_plugins *self) {
    return self->count;
}

void mu_plugin_settle(struct muster_plugin *plugin) {
    if (plugin->life == MU_PLUGIN_STOPPING) {
        uv_async_send(&plugin->owner->wake);
    }
}

/* ---- load ---- */

static enum muster_status at_entry(const struct muster_plugin *plugin, struct mu_error *error) {
    return mu_error_prefix(error, "%s: plugins.load", plugin->place);
}

static enum muster_status check_name(const struct mu_plugins *self,
                                     const struct muster_plugin *plugin, struct mu_error *error) {
    for (size_t i = 0; i < self->count; i++) {
        if (self->list[i] != plugin && strcmp(self->list[i]->name, plugin->name) == 0) {
            return mu_error_set(error, MUSTER_BAD_REQUEST,
                                "%s: name: expected one that no other plugin has, found '%s', "
                                "which %s has",
                                plugin->file, plugin->name, self->list[i]->file);
        }
    }
    return MUSTER_OK;
}

static enum muster_status examine(struct muster_plugin *plugin, const char *name,
                                  struct mu_error *error) {
    enum muster_status status =
        mu_plugin_find(plugin->owner->options.config, name, &plugin->file, error);
    if (status == MUSTER_OK) {
        status = mu_plugin_check_file(plugin->file, error);
    }
    if (status == MUSTER_OK) {
        status = mu_plugin_open(plugin, error);
    }
    if (status == MUSTER_OK) {
        status = check_name(plugin->owner, plugin, error);
    }
    return status == MUSTER_OK ? status : at_entry(plugin, error);
}

static enum muster_status init(struct muster_plugin *plugin, struct mu_error *error) {
    struct muster_complaint complaint = {.text = ""};
    enum muster_status status = MUSTER_INTERNAL;
    MU_CALL(plugin, "init",
            status = plugin->hooks.init(plugin, mu_host(), &plugin->state, &complaint));
    complaint.text[sizeof complaint.text - 1] = '\0';
    if (status != MUSTER_OK) {
        mu_error_set(error, MUSTER_BAD_REQUEST, "%s: plugin %s refuses to init: %s", plugin->file,
                     plugin->name,
                     complaint.text[0] != '\0' ? complaint.text : "it does not say why");
        return at_entry(plugin, error);
    }
    plugin->life = MU_PLUGIN_READY;
    MU_LOG(plugin->owner->options.log, MU_LOG_INFO, "plugin.loaded", MU_STR("plugin", plugin->name),
           MU_STR("version", plugin->version), MU_STR("file", plugin->file),
           MU_INT("kinds", plugin->kinds));
    return MUSTER_OK;
}

static enum muster_status load(struct mu_plugins *self, const struct muster_config *entry,
                               struct mu_error *error) {
    const struct muster_config *given = mu_tree_get(entry, "config");
    struct muster_plugin *plugin = mu_calloc(1, sizeof *plugin);
    plugin->owner = self;
    plugin->entry = mu_strdup(mu_tree_get(entry, "name")->text);
    plugin->place = mu_strdup(entry->place);
    self->list[self->count++] = plugin; /* freed with the others, whatever comes */
    enum muster_status status = examine(plugin, plugin->entry, error);
    if (status == MUSTER_OK) {
        mu_plugin_add_metrics(plugin);
        status = mu_schema_check(
            &plugin->schema, given != NULL && given->kind == MU_TREE_MAPPING ? given : NULL,
            given != NULL ? given->place : plugin->place,
            self->options.config->plugins.load->directory, &plugin->config, error);
    }
    if (status == MUSTER_OK) {
        status = mu_plugin_listen(plugin, error);
    }
    return status;
}

/* What nobody asks. */
static void say_unchained(const struct mu_plugins *self) {
    const struct mu_config *config = self->options.config;
    for (size_t i = 0; i < self->count; i++) {
        const struct muster_plugin *plugin = self->list[i];
        bool chained = (plugin->kinds & MUSTER_AUTHORIZER) == 0;
        for (size_t j = 0; j < config->authorization.chain_count; j++) {
            chained = chained || strcmp(config->authorization.chain[j], plugin->name) == 0;
        }
        if (!chained) {
            MU_LOG(
                self->options.log, MU_LOG_WARN, "plugin.unchained", MU_STR("plugin", plugin->name),
                MU_STR("message", "this authorizer is not in authorization.chain: nobody asks it"));
        }
    }
}

static void say_default(const struct mu_plugins *self) {
    const struct mu_config *config = self->options.config;
    if (self->count > 0 && config->authorization.fallback == MU_DEFAULT_ALLOW) {
        MU_LOG(self->options.log, MU_LOG_WARN, "authorization.open",
               MU_INT("authorizers", config->authorization.chain_count),
               MU_STR("message", "authorization.default is allow: whoever reaches a door may do "
                                 "what no authorizer denies"));
    }
}

enum muster_status mu_plugins_load(struct mu_plugins *self, struct mu_error *error) {
    const struct muster_config *entries = self->options.config->plugins.load;
    enum muster_status status = MUSTER_OK;
    for (size_t i = 0; status == MUSTER_OK && entries != NULL && i < entries->count; i++) {
        status = load(self, entries->items[i], error);
    }
    for (size_t i = 0; status == MUSTER_OK && i < self->count; i++) {
        status = init(self->list[i], error);
    }
    if (status == MUSTER_OK) {
        status = mu_plugins_chain(self, error);
    }
    if (status == MUSTER_OK) {
        say_unchained(self);
        say_default(self);
    }
    return status;
}

/* ---- start ---- */

void mu_plugins_connect(struct mu_plugins *self, struct mu_requests *requests,
                        struct mu_link *link) {
    self->requests = requests;
    self->link = link;
}

static void tell_role(struct muster_plugin *plugin) {
    if (plugin->life == MU_PLUGIN_STARTED && plugin->transport.coordinating != NULL) {
        MU_CALL(plugin, "transport.coordinating",
                plugin->transport.coordinating(plugin->state, plugin->owner->active));
    }
}

static enum muster_status start(struct muster_plugin *plugin, struct mu_error *error) {
    struct muster_complaint complaint = {.text = ""};
    enum muster_status status = MUSTER_OK;
    plugin->life = MU_PLUGIN_STARTED;
    if (plugin->hooks.start != NULL) {
        MU_CALL(plugin, "start", status = plugin->hooks.start(plugin->state, &complaint));
    }
    complaint.text[sizeof complaint.text - 1] = '\0';
    if (status != MUSTER_OK) {
        plugin->life = MU_PLUGIN_READY;
        mu_error_set(error, MUSTER_BAD_REQUEST, "%s: plugin %s refuses to start: %s", plugin->file,
                     plugin->name,
                     complaint.text[0] != '\0' ? complaint.text : "it does not say why");
        return at_entry(plugin, error);
    }
    MU_LOG(plugin->owner->options.log, MU_LOG_INFO, "plugin.started",
           MU_STR("plugin", plugin->name));
    tell_role(plugin);
    return MUSTER_OK;
}

enum muster_status mu_plugins_start(struct mu_plugins *self, struct mu_error *error) {
    enum muster_status status = MUSTER_OK;
    for (size_t i = 0; status == MUSTER_OK && i < self->count; i++) {
        status = start(self->list[i], error);
    }
    return status;
}

void mu_plugins_coordinating(struct mu_plugins *self, bool active) {
    if (self->active == active) {
        return;
    }
    self->active = active;
    for (size_t i = 0; i < self->count; i++) {
        tell_role(self->list[i]);
    }
}

/* ---- stop ---- */

/* Nothing of it reaches requests, link and events any more. */
static void detach(struct muster_plugin *plugin) {
    mu_host_drop_requests(plugin);
    mu_host_drop_timers(plugin);
    mu_events_leave(&plugin->listener);
}

static void append(struct mu_buffer *out, size_t count, const char *what) {
    if (count > 0 && !mu_buffer_printf(out, "%s%zu %s", out->length > 0 ? ", " : "", count, what)) {
        abort(); /* out of memory, as in alloc.c */
    }
}

/* "2 requests, 1 timer, 1 held 'socket'", or that it never called stopped(). */
static void say_open(const struct muster_plugin *plugin) {
    struct mu_buffer open;
    struct mu_held *held = NULL;
    struct mu_held *next = NULL;
    mu_buffer_init(&open, 1024);
    append(&open, HASH_COUNT(plugin->asked), "requests");
    append(&open, plugin->timer_count, "timers");
    append(&open, plugin->works, "works");
    append(&open, plugin->callers, "callers");
    HASH_ITER(hh, plugin->held, held, next) {
        append(&open, held->count, held->what);
    }
    MU_LOG(plugin->owner->options.log, MU_LOG_ERROR, "plugin.unfinished",
           MU_STR("plugin", plugin->name),
           MU_STR("stopped", plugin->said_stopped ? "said" : "not said"),
           MU_STR("open", open.length > 0 ? open.data : "nothing"),
           MU_STR("message", "the plugin did not stop in plugins.stop_timeout"));
    mu_buffer_deinit(&open);
}

/* What only the plugin or one of its threads could end. */
static bool may_still_run(const struct muster_plugin *plugin) {
    return !plugin->said_stopped || plugin->works > 0 || plugin->holds > 0;
}

static bool in_phase(const struct muster_plugin *plugin, int phase) {
    bool transport = (plugin->kinds & MUSTER_TRANSPORT) != 0;
    return transport == (phase == PHASE_TRANSPORTS);
}

static void begin_stop(struct muster_plugin *plugin) {
    struct mu_plugins *self = plugin->owner;
    plugin->life = MU_PLUGIN_STOPPING;
    if ((plugin->kinds & (MUSTER_AUTHENTICATOR | MUSTER_AUTHORIZER)) != 0) {
        mu_auth_remove(self->options.auth, plugin->name);
    }
    MU_CALL(plugin, "stop", plugin->hooks.stop(plugin->state));
}

static void on_deadline(uv_timer_t *timer);

static void begin_phase(struct mu_plugins *self) {
    for (size_t i = 0; i < self->count; i++) {
        struct muster_plugin *plugin = self->list[i];
        if (plugin->life == MU_PLUGIN_STARTED && in_phase(plugin, self->phase)) {
            begin_stop(plugin);
        }
    }
    uv_timer_start(&self->deadline, on_deadline, self->options.config->plugins.stop_timeout_ms, 0);
    uv_async_send(&self->wake);
}

static bool phase_is_over(const struct mu_plugins *self) {
    for (size_t i = 0; i < self->count; i++) {
        if (self->list[i]->life == MU_PLUGIN_STOPPING) {
            return false;
        }
    }
    return true;
}

static void next_phase(struct mu_plugins *self) {
    if (self->phase == PHASE_NONE || self->phase == PHASE_OVER || !phase_is_over(self)) {
        return;
    }
    uv_timer_stop(&self->deadline);
    self->phase++;
    if (self->phase < PHASE_OVER) {
        begin_phase(self);
        return;
    }
    self->requests = NULL;
    self->link = NULL;
    self->done(self->context);
}

static void finish(struct muster_plugin *plugin) {
    plugin->life = MU_PLUGIN_STOPPED;
    detach(plugin);
    MU_LOG(plugin->owner->options.log, MU_LOG_INFO, "plugin.stopped",
           MU_STR("plugin", plugin->name));
}

static void on_deadline(uv_timer_t *timer) {
    struct mu_plugins *self = timer->data;
    for (size_t i = 0; i < self->count; i++) {
        struct muster_plugin *plugin = self->list[i];
        if (plugin->life == MU_PLUGIN_STOPPING) {
            say_open(plugin);
            bool abandoned = may_still_run(plugin);
            plugin->life = abandoned ? MU_PLUGIN_ABANDONED : MU_PLUGIN_STOPPED;
            self->unclean = self->unclean || abandoned;
            detach(plugin);
        }
    }
    next_phase(self);
}

static void on_wake(uv_async_t *wake) {
    struct mu_plugins *self = wake->data;
    for (size_t i = 0; i < self->count; i++) {
        struct muster_plugin *plugin = self->list[i];
        mu_plugin_say_foreign(plugin);
        if (plugin->life == MU_PLUGIN_STOPPING && plugin->said_stopped && open_count(plugin) == 0) {
            finish(plugin);
        }
    }
    next_phase(self);
}

void mu_plugins_stop(struct mu_plugins *self, void (*stopped)(void *context), void *context) {
    assert(self->phase == PHASE_NONE);
    self->done = stopped;
    self->context = context;
    self->phase = PHASE_TRANSPORTS;
    begin_phase(self);
}

/* ---- life ---- */

struct mu_plugins *mu_plugins_create(const struct mu_plugins_options *options) {
    struct mu_plugins *self = mu_calloc(1, sizeof *self);
    const struct muster_config *load = options->config->plugins.load;
    bool watched = load != NULL && load->count > 0;
    self->options = *options;
    self->thread = pthread_self();
    pthread_mutex_init(&self->wake_mutex, NULL);
    self->watch = mu_watch_create(&(struct mu_watch_options){
        .loop = options->loop,
        .limit_ms = watched ? options->config->plugins.watchdog_ms : 0,
        .fd = options->log_fd,
        .format = options->config->log.format,
    });
    if (self->watch == NULL || uv_async_init(options->loop, &self->wake, on_wake) != 0) {
        abort(); /* a machine without a thread or a descriptor to give runs no daemon */
    }
    uv_timer_init(options->loop, &self->deadline);
    self->wake.data = self;
    self->deadline.data = self;
    self->can_wake = true;
    return self;
}

/* An abandoned plugin may still run: what it was given stays. */
static void free_plugin(struct muster_plugin *plugin) {
    mu_events_leave(&plugin->listener);
    mu_tree_destroy(&plugin->config);
    for (size_t i = 0; i < plugin->retired_count; i++) {
        mu_tree_destroy(&plugin->retired[i]);
    }
    free(plugin->retired);
    free(plugin->waiting);
    mu_host_drop_holds(plugin);
    free(plugin->name);
    free(plugin->file);
    free(plugin->entry);
    free(plugin->place);
    free(plugin);
}

static void on_closed(void *context) {
    struct mu_plugins *self = context;
    void (*done)(void *context) = self->done;
    void *done_context = self->context;
    if (--self->handles > 0) {
        return;
    }
    if (!self->unclean) {
        for (size_t i = 0; i < self->count; i++) {
            free_plugin(self->list[i]);
        }
        pthread_mutex_destroy(&self->wake_mutex);
        free(self);
    }
    done(done_context);
}

static void on_handle_closed(uv_handle_t *handle) {
    on_closed(handle->data);
}

bool mu_plugins_close(struct mu_plugins **plugins, void (*closed)(void *context), void *context) {
    struct mu_plugins *self = *plugins;
    *plugins = NULL;
    self->done = closed;
    self->context = context;
    for (size_t i = self->count; i > 0; i--) {
        struct muster_plugin *plugin = self->list[i - 1];
        if (plugin->life == MU_PLUGIN_READY || plugin->life == MU_PLUGIN_STOPPED) {
            detach(plugin);
            plugin->life = MU_PLUGIN_STOPPED;
            MU_CALL(plugin, "close", plugin->hooks.close(plugin->state));
        } else {
            mu_host_drop_timers(plugin);
            mu_events_leave(&plugin->listener);
        }
        mu_plugin_say_foreign(plugin);
        self->unclean = self->unclean || plugin->works > 0;
    }
    pthread_mutex_lock(&self->wake_mutex);
    self->can_wake = false;
    pthread_mutex_unlock(&self->wake_mutex);
    self->handles = 3;
    uv_close((uv_handle_t *)&self->wake, on_handle_closed);
    uv_close((uv_handle_t *)&self->deadline, on_handle_closed);
    mu_watch_close(&self->watch, on_closed, self);
    return !self->unclean;
}
