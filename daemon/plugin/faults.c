#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "plugin/internal.h"

#define QUIET_MS 1000 /* one line of a kind in this time */

struct fault_kind {
    const char *event, *metric, *help;
};

static const struct fault_kind kinds[MU_FAULTS] = {
    [MU_FAULT_SLOW] = {"plugin.slow", "muster_plugin_slow_total",
                       "Calls into the plugin that held the loop longer than plugins.slow_hook"},
    [MU_FAULT_FOREIGN] = {"plugin.foreign_thread", "muster_plugin_foreign_thread_total",
                          "Calls of the plugin from a thread that is not the loop's; refused"},
    [MU_FAULT_TWICE] = {"plugin.decided_twice", "muster_plugin_decided_twice_total",
                        "Decisions of the plugin that it had taken before; passed over"},
    [MU_FAULT_LATE] = {"plugin.decided_late", "muster_plugin_decided_late_total",
                       "Decisions of the plugin whose question was over; passed over"},
    [MU_FAULT_NOT_YOURS] = {"plugin.decided_not_its_own", "muster_plugin_decided_not_its_own_total",
                            "Decisions of the plugin of what it was not asked; passed over"},
    [MU_FAULT_MISUSE] = {"plugin.misuse", "muster_plugin_misuse_total",
                         "Calls of the plugin that the ABI does not allow; refused"},
};

static struct muster_metric *metric(struct muster_plugin *plugin, const char *name,
                                    const char *help) {
    char label[96];
    snprintf(label, sizeof label, "plugin=\"%s\"", plugin->name);
    return mu_metrics_get(plugin->owner->options.metrics, MUSTER_COUNTER, name, label, help);
}

void mu_plugin_add_metrics(struct muster_plugin *plugin) {
    for (size_t i = 0; i < MU_FAULTS; i++) {
        plugin->faults[i].count = metric(plugin, kinds[i].metric, kinds[i].help);
    }
    plugin->requests = metric(plugin, "muster_plugin_requests_total", "Requests that it submitted");
    plugin->refused = metric(plugin, "muster_plugin_requests_refused_total",
                             "Requests of it that no room was for");
    plugin->publish_failed = metric(plugin, "muster_plugin_publish_failed_total",
                                    "Messages of it that Redis did not get");
}

static void say(struct muster_plugin *plugin, enum mu_fault fault, const char *message,
                uint64_t times) {
    MU_LOG(plugin->owner->options.log, MU_LOG_WARN, kinds[fault].event,
           MU_STR("plugin", plugin->name), MU_STR("message", message), MU_INT("times", times));
}

void mu_plugin_fault(struct muster_plugin *plugin, enum mu_fault fault, const char *format, ...) {
    struct mu_fault_state *state = &plugin->faults[fault];
    uint64_t now = mu_clock_boottime_ms();
    char message[256];
    va_list arguments;
    mu_metric_add(state->count, 1);
    state->unspoken++;
    if (state->said_at != 0 && now - state->said_at < QUIET_MS) {
        return;
    }
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    say(plugin, fault, message, state->unspoken);
    state->said_at = now;
    state->unspoken = 0;
}

/* ---- threads ---- */

bool mu_plugin_here(struct muster_plugin *plugin, const char *slot) {
    struct mu_plugins *owner = plugin->owner;
    if (pthread_equal(owner->thread, pthread_self())) {
        return true;
    }
    atomic_fetch_add(&plugin->foreign, 1);
    atomic_store(&plugin->foreign_slot, slot);
    pthread_mutex_lock(&owner->wake_mutex);
    if (owner->can_wake) {
        uv_async_send(&owner->wake);
    }
    pthread_mutex_unlock(&owner->wake_mutex);
    return false;
}

void mu_plugin_say_foreign(struct muster_plugin *plugin) {
    uint64_t times = atomic_exchange(&plugin->foreign, 0);
    char message[128];
    if (times == 0) {
        return;
    }
    mu_metric_add(plugin->faults[MU_FAULT_FOREIGN].count, (int64_t)times);
    const char *slot = atomic_load(&plugin->foreign_slot);
    snprintf(message, sizeof message,
             "%s was called from a thread that is not the loop's; nothing happened", slot);
    say(plugin, MU_FAULT_FOREIGN, message, times);
}

/* ---- calls ---- */

void mu_plugin_enter(struct muster_plugin *plugin, struct mu_watched *call, const char *hook) {
    mu_watch_enter(plugin->owner->watch, call, plugin->name, hook);
}

void mu_plugin_leave(struct muster_plugin *plugin, const struct mu_watched *call) {
    uint64_t took = mu_watch_leave(plugin->owner->watch, call);
    uint64_t limit = plugin->owner->options.config->plugins.slow_hook_ms * 1000;
    if (took > limit) {
        mu_plugin_fault(plugin, MU_FAULT_SLOW, "%s held the loop for %llu us; allowed are %llu us",
                        call->hook, (unsigned long long)took, (unsigned long long)limit);
    }
}
