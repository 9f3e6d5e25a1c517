#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/ids.h"
#include "plugin/internal.h"
#include "registry/operations.h"

#define MESSAGE_MAX_BYTES 2048
#define EVENT_MAX_BYTES 64

/* ---- log ---- */

static void host_log(struct muster_plugin *plugin, enum muster_log_level level, const char *event,
                     const char *format, ...) MU_PRINTF(4, 5);
static void host_log(struct muster_plugin *plugin, enum muster_log_level level, const char *event,
                     const char *format, ...) {
    static const enum mu_log_level levels[] = {
        [MUSTER_LOG_DEBUG] = MU_LOG_DEBUG,
        [MUSTER_LOG_INFO] = MU_LOG_INFO,
        [MUSTER_LOG_WARN] = MU_LOG_WARN,
        [MUSTER_LOG_ERROR] = MU_LOG_ERROR,
    };
    char name[2 * MU_ID_SIZE + 16];
    char message[MESSAGE_MAX_BYTES];
    va_list arguments;
    if (!mu_plugin_here(plugin, "log")) {
        return;
    }
    size_t length = strnlen(event, EVENT_MAX_BYTES + 1);
    bool fine = length <= EVENT_MAX_BYTES && mu_id_valid(event, length);
    snprintf(name, sizeof name, "plugin.%s.%s", plugin->name, fine ? event : "event");
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    MU_LOG(plugin->owner->options.log,
           (unsigned)level <= MUSTER_LOG_ERROR ? levels[level] : MU_LOG_ERROR, name,
           MU_STR("message", message));
}

/* ---- timers ---- */

static void on_timer(uv_timer_t *handle) {
    struct muster_timer *timer = handle->data;
    struct muster_plugin *plugin = timer->plugin;
    if (mu_plugin_alive(plugin)) {
        MU_CALL(plugin, "timer", timer->fire(timer->context));
    }
}

static struct muster_timer *host_timer_start(struct muster_plugin *plugin, uint64_t after_ms,
                                             uint64_t repeat_ms, void (*fire)(void *context),
                                             void *context) {
    if (!mu_plugin_here(plugin, "timer_start") || !mu_plugin_alive(plugin)) {
        return NULL;
    }
    struct muster_timer *timer = mu_calloc(1, sizeof *timer);
    timer->plugin = plugin;
    timer->fire = fire;
    timer->context = context;
    timer->next = plugin->timers;
    if (timer->next != NULL) {
        timer->next->previous = timer;
    }
    plugin->timers = timer;
    plugin->timer_count++;
    uv_timer_init(plugin->owner->options.loop, &timer->handle);
    timer->handle.data = timer;
    uv_timer_start(&timer->handle, on_timer, after_ms, repeat_ms);
    return timer;
}

static void on_timer_closed(uv_handle_t *handle) {
    free(handle->data);
}

static void drop_timer(struct muster_timer *timer) {
    struct muster_plugin *plugin = timer->plugin;
    if (timer->previous != NULL) {
        timer->previous->next = timer->next;
    } else {
        plugin->timers = timer->next;
    }
    if (timer->next != NULL) {
        timer->next->previous = timer->previous;
    }
    plugin->timer_count--;
    uv_close((uv_handle_t *)&timer->handle, on_timer_closed);
}

static void host_timer_stop(struct muster_plugin *plugin, struct muster_timer **timer) {
    if (!mu_plugin_here(plugin, "timer_stop") || *timer == NULL) {
        return;
    }
    drop_timer(*timer);
    *timer = NULL;
    mu_plugin_settle(plugin);
}

void mu_host_drop_timers(struct muster_plugin *plugin) {
    while (plugin->timers != NULL) {
        drop_timer(plugin->timers);
    }
}

/* ---- loop and holds ---- */

static struct uv_loop_s *host_loop(struct muster_plugin *plugin) {
    return mu_plugin_here(plugin, "loop") ? plugin->owner->options.loop : NULL;
}

static void host_hold(struct muster_plugin *plugin, const char *what) {
    struct mu_held *held;
    if (!mu_plugin_here(plugin, "hold")) {
        return;
    }
    HASH_FIND_STR(plugin->held, what, held);
    if (held == NULL) {
        held = mu_calloc(1, sizeof *held);
        held->what = what;
        HASH_ADD_KEYPTR(hh, plugin->held, held->what, strlen(held->what), held);
    }
    held->count++;
    plugin->holds++;
}

static void host_release(struct muster_plugin *plugin, const char *what) {
    struct mu_held *held;
    if (!mu_plugin_here(plugin, "release")) {
        return;
    }
    HASH_FIND_STR(plugin->held, what, held);
    if (held == NULL || held->count == 0) {
        mu_plugin_fault(plugin, MU_FAULT_MISUSE, "release: it does not hold '%s'", what);
        return;
    }
    held->count--;
    plugin->holds--;
    mu_plugin_settle(plugin);
}

void mu_host_drop_holds(struct muster_plugin *plugin) {
    struct mu_held *held = NULL;
    struct mu_held *next = NULL;
    HASH_ITER(hh, plugin->held, held, next) {
        HASH_DEL(plugin->held, held);
        free(held);
    }
}

/* ---- work ---- */

struct job {
    uv_work_t request;
    struct muster_plugin *plugin;
    void (*work)(void *context);
    void (*done)(void *context);
    void *context;
};

/* On a thread of the pool. */
static void on_work(uv_work_t *request) {
    const struct job *job = request->data;
    job->work(job->context);
}

static void on_worked(uv_work_t *request, int status) {
    struct job *job = request->data;
    struct muster_plugin *plugin = job->plugin;
    (void)status; /* it is never cancelled */
    plugin->works--;
    if (mu_plugin_alive(plugin)) {
        MU_CALL(plugin, "work.done", job->done(job->context));
    }
    free(job);
    mu_plugin_settle(plugin);
}

static enum muster_status host_work(struct muster_plugin *plugin, void (*work)(void *context),
                                    void (*done)(void *context), void *context) {
    if (!mu_plugin_here(plugin, "work")) {
        return MUSTER_INTERNAL;
    }
    if (!mu_plugin_alive(plugin)) {
        return MUSTER_UNAVAILABLE;
    }
    if (plugin->works >= plugin->owner->options.config->plugins.work_queue) {
        return MUSTER_OVERLOADED;
    }
    struct job *job = mu_calloc(1, sizeof *job);
    job->plugin = plugin;
    job->work = work;
    job->done = done;
    job->context = context;
    job->request.data = job;
    if (uv_queue_work(plugin->owner->options.loop, &job->request, on_work, on_worked) != 0) {
        free(job);
        return MUSTER_INTERNAL;
    }
    plugin->works++;
    return MUSTER_OK;
}

/* ---- configuration: nothing of it changes between init and close ---- */

static const struct muster_config *
host_config_get(struct muster_plugin *plugin, const struct muster_config *node, const char *key) {
    return mu_tree_get(node != NULL ? node : plugin->config, key);
}

static size_t host_config_count(struct muster_plugin *plugin, const struct muster_config *node) {
    return node != NULL ? node->count : plugin->config->count;
}

static const struct muster_config *
host_config_item(struct muster_plugin *plugin, const struct muster_config *node, size_t index) {
    node = node != NULL ? node : plugin->config;
    return index < node->count ? node->items[index] : NULL;
}

static const char *host_config_key(struct muster_plugin *plugin, const struct muster_config *node,
                                   size_t index) {
    const struct muster_config *item = host_config_item(plugin, node, index);
    return item != NULL ? item->key : NULL;
}

static const char *host_config_text(struct muster_plugin *plugin,
                                    const struct muster_config *node) {
    (void)plugin;
    return node != NULL && node->kind == MU_TREE_SCALAR && !node->null ? node->text : NULL;
}

static bool host_config_number(struct muster_plugin *plugin, const struct muster_config *node,
                               enum muster_config_type type, uint64_t *number) {
    const char *text = host_config_text(plugin, node);
    return text != NULL && mu_schema_number(type, text, number);
}

static const char *host_config_place(struct muster_plugin *plugin,
                                     const struct muster_config *node) {
    return node != NULL ? node->place : plugin->config->place;
}

/* ---- metrics ---- */

static struct muster_metric *host_metric(struct muster_plugin *plugin, enum muster_metric_kind kind,
                                         const char *name, const char *help) {
    char full[256];
    if (!mu_plugin_here(plugin, "metric")) {
        return NULL;
    }
    snprintf(full, sizeof full, "muster_plugin_%s_%s", plugin->name, name);
    return mu_metrics_get(plugin->owner->options.metrics, kind, full, NULL, help);
}

static void host_metrics_text(struct muster_plugin *plugin,
                              void (*write)(void *context, const char *text, size_t length),
                              void *context) {
    struct mu_buffer text;
    if (!mu_plugin_here(plugin, "metrics_text")) {
        return;
    }
    mu_buffer_init(&text, 0);
    if (mu_metrics_print(plugin->owner->options.metrics, &text)) {
        write(context, text.data, text.length);
    }
    mu_buffer_deinit(&text);
}

/* ---- the rest ---- */

static uint64_t host_now_ms(struct muster_plugin *plugin) {
    (void)plugin;
    return mu_clock_boottime_ms();
}

static uint64_t host_redis_ms(struct muster_plugin *plugin) {
    const struct mu_plugins_options *options = &plugin->owner->options;
    if (!mu_plugin_here(plugin, "redis_ms") || options->redis_ms == NULL) {
        return 0;
    }
    return options->redis_ms(options->context);
}

static void host_random(struct muster_plugin *plugin, void *out, size_t size) {
    (void)plugin;
    mu_random_bytes(out, size);
}

static const char *host_name_space(struct muster_plugin *plugin) {
    return plugin->owner->options.config->name_space;
}

static const char *host_daemon_id(struct muster_plugin *plugin) {
    return plugin->owner->options.config->coordinator.id;
}

static const struct muster_operation_info *host_operations(struct muster_plugin *plugin,
                                                           size_t *count) {
    (void)plugin;
    *count = MUSTER_OPERATIONS;
    return mu_operations;
}

static void host_stopped(struct muster_plugin *plugin) {
    if (!mu_plugin_here(plugin, "stopped")) {
        return;
    }
    if (plugin->life != MU_PLUGIN_STOPPING || plugin->said_stopped) {
        mu_plugin_fault(plugin, MU_FAULT_MISUSE, "stopped: it is not stopping, or said so before");
        return;
    }
    plugin->said_stopped = true;
    mu_plugin_settle(plugin);
}

const struct muster_host *mu_host(void) {
    static const struct muster_host host = {
        .size = sizeof(struct muster_host),
        .abi_major = MUSTER_ABI_MAJOR,
        .abi_minor = MUSTER_ABI_MINOR,
        .log = host_log,
        .timer_start = host_timer_start,
        .timer_stop = host_timer_stop,
        .loop = host_loop,
        .hold = host_hold,
        .release = host_release,
        .work = host_work,
        .config_get = host_config_get,
        .config_count = host_config_count,
        .config_item = host_config_item,
        .config_key = host_config_key,
        .config_text = host_config_text,
        .config_number = host_config_number,
        .config_place = host_config_place,
        .metric = host_metric,
        .metric_add = mu_metric_add,
        .submit = mu_host_submit,
        .cancel = mu_host_cancel,
        .authenticate = mu_host_authenticate,
        .authorize = mu_host_authorize,
        .caller_principal = mu_host_caller_principal,
        .caller_release = mu_host_caller_release,
        .decide = mu_host_decide,
        .publish = mu_host_publish,
        .subscribe = mu_host_subscribe,
        .unsubscribe = mu_host_unsubscribe,
        .now_ms = host_now_ms,
        .redis_ms = host_redis_ms,
        .random = host_random,
        .name_space = host_name_space,
        .daemon_id = host_daemon_id,
        .operations = host_operations,
        .stopped = host_stopped,
        .subscribe_pattern = mu_host_subscribe_pattern,
        .unsubscribe_pattern = mu_host_unsubscribe_pattern,
        .metrics_text = host_metrics_text,
        .subscribe_mark = mu_host_subscribe_mark,
        .restart_needed = mu_host_restart_needed,
    };
    return &host;
}
