/* plugin.c - auth_http: asks a service of the operator's over HTTP who somebody is and what he may.
 *
 * docs/AUTHORIZATION.md says what is asked and how the service answers. What the service does not
 * say, or not in time, is denied.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "asker.h"

static void out_of_memory(struct muster_complaint *complaint) {
    snprintf(complaint->text, sizeof complaint->text, "out of memory");
}

/* ---- questions ---- */

static enum muster_verdict on_authorize(void *state, struct muster_handle handle,
                                        const struct muster_principal *principal,
                                        enum muster_action action,
                                        const struct muster_resource *resource,
                                        struct muster_decision *decision) {
    struct http_asker *asker = state;
    struct http_body body;
    /* An action that is younger than this plugin is asked about by nobody's wish. */
    if ((size_t)action >= MUSTER_ACTIONS || !http_client_settings(asker->client)->asked[action]) {
        return MUSTER_DEFER;
    }
    if (!http_body_authorize(&body, principal, action, resource)) {
        return http_refuse(asker, HTTP_UNASKABLE, "no UTF-8, or claims that are no object",
                           decision);
    }
    return http_ask(asker, handle, HTTP_AUTHORIZE, &body, decision);
}

static enum muster_verdict on_authenticate(void *state, struct muster_handle handle,
                                           const struct muster_credentials *credentials,
                                           struct muster_decision *decision) {
    struct http_asker *asker = state;
    struct http_body body;
    if (http_client_settings(asker->client)->authenticate_url == NULL ||
        (credentials->token.data == NULL && credentials->certificate == NULL)) {
        return MUSTER_DEFER;
    }
    if (!http_body_authenticate(&body, credentials)) {
        return http_refuse(asker, HTTP_UNASKABLE, "credentials that are no UTF-8", decision);
    }
    return http_ask(asker, handle,
                    credentials->purpose == MUSTER_PURPOSE_CALLER ? HTTP_CALLER : HTTP_END_USER,
                    &body, decision);
}

/* ---- life ---- */

static enum muster_status on_init(struct muster_plugin *plugin, const struct muster_host *host,
                                  void **state, struct muster_complaint *complaint) {
    struct http_asker *asker = calloc(1, sizeof *asker);
    if (asker == NULL) {
        out_of_memory(complaint);
        return MUSTER_OVERLOADED;
    }
    asker->plugin = plugin;
    asker->host = host;
    TAILQ_INIT(&asker->running);
    TAILQ_INIT(&asker->queue);
    asker->settings = http_settings_read(plugin, host, NULL, complaint);
    if (asker->settings == NULL) {
        free(asker);
        return MUSTER_BAD_REQUEST;
    }
    http_counts_init(asker);
    *state = asker;
    return MUSTER_OK;
}

static void on_client_closed(void *context, struct http_client *client) {
    struct http_asker *asker = context;
    (void)client;
    asker->clients--;
    if (asker->stopping && asker->clients == 0) {
        http_counts_log(asker);
        asker->host->stopped(asker->plugin);
    }
}

/* Takes the settings over; false: no memory, and all is as before. */
static bool use(struct http_asker *asker, struct http_settings *settings) {
    uint64_t failures = settings->breaker_failures;
    uint64_t open_ms = settings->breaker_open_ms;
    struct http_client *client = http_client_create(asker->plugin, asker->host, settings,
                                                    http_finished, on_client_closed, asker);
    if (client == NULL) {
        return false;
    }
    struct http_client *before = asker->client;
    asker->client = client;
    asker->clients++;
    http_breaker_reset(&asker->breaker, failures, open_ms);
    if (before != NULL) {
        http_client_retire(before);
    }
    http_pump(asker);
    return true;
}

static enum muster_status on_start(void *state, struct muster_complaint *complaint) {
    struct http_asker *asker = state;
    asker->began = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
    struct http_settings *settings = asker->settings;
    asker->settings = NULL;
    if (!asker->began) {
        http_settings_destroy(&settings);
    }
    if (settings == NULL || !use(asker, settings)) {
        out_of_memory(complaint);
        return MUSTER_OVERLOADED;
    }
    return MUSTER_OK;
}

/* New connections under the new settings; what is under way ends under the old ones. */
static enum muster_status on_reload(void *state, const struct muster_config *config,
                                    struct muster_complaint *complaint) {
    struct http_asker *asker = state;
    struct http_settings *settings =
        http_settings_read(asker->plugin, asker->host, config, complaint);
    if (settings == NULL) {
        return MUSTER_BAD_REQUEST;
    }
    if (!use(asker, settings)) {
        out_of_memory(complaint);
        return MUSTER_OVERLOADED;
    }
    return MUSTER_OK;
}

static void on_stop(void *state) {
    struct http_asker *asker = state;
    asker->stopping = true;
    http_abandon(asker);
    http_client_retire(asker->client);
}

static void on_close(void *state) {
    struct http_asker *asker = state;
    http_settings_destroy(&asker->settings);
    if (asker->began) {
        curl_global_cleanup();
    }
    free(asker);
}

static const struct muster_plugin_hooks hooks = {
    .init = on_init,
    .start = on_start,
    .stop = on_stop,
    .close = on_close,
    .reload = on_reload,
};
static const struct muster_authenticator_hooks authenticator = {.authenticate = on_authenticate};
static const struct muster_authorizer_hooks authorizer = {.authorize = on_authorize};

MUSTER_PLUGIN(MUSTER_AUTHENTICATOR | MUSTER_AUTHORIZER, "auth_http", MUSTER_VERSION, http_keys,
              HTTP_KEYS, &hooks, NULL, &authenticator, &authorizer, NULL);
