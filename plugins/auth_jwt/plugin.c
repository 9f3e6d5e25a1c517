/* plugin.c - auth_jwt: signed tokens (RFC 7519) say who calls and who the end user is, and in which
 * sessions.
 *
 * As an authenticator it answers later, from a thread (verify.c). As an authorizer it answers at
 * once, out of the claims that it put into the principal or gave to the end user (rights.c). The
 * keys come from a file that may change at any time (watch.c).
 */
#include "plugin.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "rights.h"

void jwt_settle(struct jwt_plugin *jwt) {
    if (jwt->stopping && jwt->batches == 0 && jwt->look == NULL) {
        jwt->host->stopped(jwt->plugin);
    }
}

static void make_metrics(struct jwt_plugin *jwt) {
    static const struct {
        const char *name;
        const char *help;
    } refusals[] = {
#define REFUSAL(name, metric, help) {"refused_" metric "_total", help},
        JWT_CLASS_TABLE(REFUSAL)
#undef REFUSAL
    };
    jwt->verified = jwt->host->metric(jwt->plugin, MUSTER_COUNTER, "verified_total",
                                      "Tokens that were found good");
    for (size_t i = 0; i < JWT_CLASSES; i++) {
        jwt->refusals[i] =
            jwt->host->metric(jwt->plugin, MUSTER_COUNTER, refusals[i].name, refusals[i].help);
    }
    jwt->keys_loaded = jwt->host->metric(jwt->plugin, MUSTER_GAUGE, "keys", "Keys that are in use");
    jwt->reloads = jwt->host->metric(jwt->plugin, MUSTER_COUNTER, "reloads_total",
                                     "Times that a changed file of keys was taken up");
    jwt->reload_failures = jwt->host->metric(jwt->plugin, MUSTER_COUNTER, "reload_failures_total",
                                             "Times that a changed file of keys was refused");
}

static void on_close(void *state) {
    struct jwt_plugin *jwt = state;
    jwt_forget_waiting(jwt);
    jwt_settings_unref(&jwt->settings);
    jwt_keys_unref(&jwt->keys);
    free(jwt);
}

/* The keys are read here, so that `musterd --check` finds what is wrong with them. */
static enum muster_status on_init(struct muster_plugin *plugin, const struct muster_host *host,
                                  void **state, struct muster_complaint *complaint) {
    struct jwt_plugin *jwt = calloc(1, sizeof *jwt);
    if (jwt == NULL) {
        snprintf(complaint->text, sizeof complaint->text, "out of memory");
        return MUSTER_OVERLOADED;
    }
    jwt->plugin = plugin;
    jwt->host = host;
    jwt->last = &jwt->first;
    make_metrics(jwt);
    struct jwt_settings *settings = jwt_settings_read(plugin, host, NULL, complaint);
    enum muster_status status =
        settings != NULL ? jwt_adopt(jwt, settings, complaint) : MUSTER_BAD_REQUEST;
    if (status != MUSTER_OK) {
        jwt_settings_unref(&settings);
        on_close(jwt); /* the host does not call it after an init that failed */
        return status;
    }
    *state = jwt;
    return MUSTER_OK;
}

static enum muster_status on_start(void *state, struct muster_complaint *complaint) {
    (void)complaint;
    jwt_watch_start(state);
    return MUSTER_OK;
}

static enum muster_status on_reload(void *state, const struct muster_config *config,
                                    struct muster_complaint *complaint) {
    struct jwt_plugin *jwt = state;
    struct jwt_settings *settings = jwt_settings_read(jwt->plugin, jwt->host, config, complaint);
    enum muster_status status =
        settings != NULL ? jwt_adopt(jwt, settings, complaint) : MUSTER_BAD_REQUEST;
    if (status != MUSTER_OK) {
        jwt->host->metric_add(jwt->reload_failures, 1);
        jwt_settings_unref(&settings);
        return status;
    }
    jwt->host->metric_add(jwt->reloads, 1);
    jwt_watch_stop(jwt);
    jwt_watch_start(jwt);
    return MUSTER_OK;
}

static void on_stop(void *state) {
    struct jwt_plugin *jwt = state;
    jwt->stopping = true;
    jwt_watch_stop(jwt);
    jwt_forget_waiting(jwt); /* the host denies what was asked */
    jwt_settle(jwt);
}

static enum muster_verdict on_authorize(void *state, struct muster_handle handle,
                                        const struct muster_principal *principal,
                                        enum muster_action action,
                                        const struct muster_resource *resource,
                                        struct muster_decision *decision) {
    struct jwt_plugin *jwt = state;
    struct timespec now;
    (void)handle; /* answered at once */
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t now_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
    return jwt_rights(jwt->settings, principal->claims, resource->claims, action, resource->session,
                      now_ms, decision, jwt->sentence, sizeof jwt->sentence);
}

static const struct muster_plugin_hooks hooks = {
    .init = on_init, .start = on_start, .stop = on_stop, .close = on_close, .reload = on_reload};
static const struct muster_authenticator_hooks authenticator = {.authenticate = jwt_authenticate};
static const struct muster_authorizer_hooks authorizer = {.authorize = on_authorize};

MUSTER_PLUGIN(MUSTER_AUTHENTICATOR | MUSTER_AUTHORIZER, "auth_jwt", MUSTER_VERSION,
              jwt_settings_keys, JWT_SETTINGS_KEYS, &hooks, NULL, &authenticator, &authorizer,
              NULL);
