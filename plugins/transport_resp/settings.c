#include "settings.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GIB (UINT64_C(1) << 30)

const struct muster_config_key resp_keys[RESP_KEYS] = {
    {"listen", MUSTER_CONFIG_LIST, false, "[]", 0, 64,
     "Addresses such as 127.0.0.1:7411, [::1]:7411, unix:///path. None, and no tls_listen either: "
     "127.0.0.1:7411"},
    {"tls_listen", MUSTER_CONFIG_LIST, false, "[]", 0, 64, "Addresses with TLS"},
    {"tls", MUSTER_CONFIG_TREE, false, "{}", 0, 0,
     "certificate, key, client_ca: paths; require_client_certificate: true or false"},
    {"unix_mode", MUSTER_CONFIG_TEXT, false, "0600", 3, 4,
     "Who may connect to unix sockets, in octal"},
    {"max_request", MUSTER_CONFIG_SIZE, false, "1MiB", 1024, 64 << 20,
     "Bytes of one request as it is sent"},
    {"max_arguments", MUSTER_CONFIG_INTEGER, false, "1025", 16, 100000,
     "Arguments of one request, its name among them"},
    {"max_argument", MUSTER_CONFIG_SIZE, false, "256KiB", 256, 64 << 20, "Bytes of one argument"},
    {"max_inline", MUSTER_CONFIG_SIZE, false, "64KiB", 256, 1 << 20,
     "Bytes of a request that is a plain line"},
    {"max_pending", MUSTER_CONFIG_INTEGER, false, "256", 1, 100000,
     "Requests of one socket under way; it is read no further until one is answered"},
    {"max_pending_total", MUSTER_CONFIG_INTEGER, false, "50000", 1, 1000000,
     "Requests under way at this door; more are answered OVERLOADED"},
    {"max_output", MUSTER_CONFIG_SIZE, false, "16MiB", 64 << 10, GIB,
     "Bytes that a socket has not read; with more it is closed"},
    {"max_output_total", MUSTER_CONFIG_SIZE, false, "256MiB", 1 << 20, 64 * GIB,
     "Bytes that all sockets have not read; with more, those that are behind are closed"},
    {"handshake_timeout", MUSTER_CONFIG_DURATION, false, "10s", 10, 3600000,
     "For the first request, TLS included, and for a request that was begun"},
    {"idle_timeout", MUSTER_CONFIG_DURATION, false, "0ms", 0, 0,
     "A socket that asks nothing for so long is closed; subscribers and lifelines are not. 0ms: "
     "never"},
    {"max_sockets", MUSTER_CONFIG_INTEGER, false, "10000", 1, 1000000,
     "Open sockets; more are closed at once"},
    {"max_sockets_per_address", MUSTER_CONFIG_INTEGER, false, "0", 0, 1000000,
     "Open sockets of one IP address; more are closed at once. 0: no bound"},
    {"rate", MUSTER_CONFIG_INTEGER, false, "0", 0, 10000000,
     "Requests a second of one principal (of an anonymous one: of one address); more are answered "
     "RATE_LIMITED. 0: no bound"},
    {"rate_burst", MUSTER_CONFIG_INTEGER, false, "0", 0, 10000000,
     "How many of them at once. 0: as many as a second has"},
    {"max_subscriptions", MUSTER_CONFIG_INTEGER, false, "10000", 0, 1000000,
     "Channels and patterns of one socket"},
};

struct reading {
    struct muster_plugin *plugin;
    const struct muster_host *host;
    const struct muster_config *config; /* NULL: the present one */
};

/* Cannot fail: the host has checked it, and each of these has a default. */
static uint64_t number(const struct reading *reading, const char *name) {
    for (size_t i = 0; i < RESP_KEYS; i++) {
        uint64_t value = 0;
        if (strcmp(resp_keys[i].name, name) == 0) {
            (void)reading->host->config_number(
                reading->plugin, reading->host->config_get(reading->plugin, reading->config, name),
                resp_keys[i].type, &value);
            return value;
        }
    }
    abort();
}

static size_t size(const struct reading *reading, const char *name) {
    return (size_t)number(reading, name);
}

static enum muster_status wrong(const struct reading *reading, const struct muster_config *node,
                                struct muster_complaint *complaint, const char *sentence) {
    snprintf(complaint->text, sizeof complaint->text, "%s: %s",
             reading->host->config_place(reading->plugin, node), sentence);
    return MUSTER_BAD_REQUEST;
}

static enum muster_status read_mode(const struct reading *reading, struct resp_settings *settings,
                                    struct muster_complaint *complaint) {
    const struct muster_config *node =
        reading->host->config_get(reading->plugin, reading->config, "unix_mode");
    const char *text = reading->host->config_text(reading->plugin, node);
    char *end = NULL;
    unsigned long mode = strtoul(text, &end, 8);
    if (text[0] < '0' || text[0] > '7' || *end != '\0' || mode > 0777) {
        return wrong(reading, node, complaint,
                     "unix_mode: three octal digits are wanted, such as 0600 or 0660");
    }
    settings->unix_mode = (unsigned)mode;
    return MUSTER_OK;
}

static enum muster_status read_tls(const struct reading *reading, struct resp_settings *settings,
                                   struct muster_complaint *complaint) {
    const struct muster_host *host = reading->host;
    struct muster_plugin *plugin = reading->plugin;
    const struct muster_config *tls = host->config_get(plugin, reading->config, "tls");
    const struct muster_config *listen = host->config_get(plugin, reading->config, "tls_listen");
    for (size_t i = 0; i < host->config_count(plugin, tls); i++) {
        const struct muster_config *item = host->config_item(plugin, tls, i);
        const char *key = host->config_key(plugin, tls, i);
        const char *text = host->config_text(plugin, item);
        uint64_t flag = 0;
        if (key == NULL || text == NULL) {
            return wrong(reading, item, complaint, "tls: a mapping of keys to texts is wanted");
        }
        if (strcmp(key, "certificate") == 0) {
            settings->certificate = text;
        } else if (strcmp(key, "key") == 0) {
            settings->key = text;
        } else if (strcmp(key, "client_ca") == 0) {
            settings->client_ca = text;
        } else if (strcmp(key, "require_client_certificate") == 0 &&
                   host->config_number(plugin, item, MUSTER_CONFIG_BOOLEAN, &flag)) {
            settings->require_client_certificate = flag != 0;
        } else {
            return wrong(reading, item, complaint,
                         "tls: allowed here are certificate, key, client_ca (paths) and "
                         "require_client_certificate (true or false)");
        }
    }
    if (settings->require_client_certificate && settings->client_ca == NULL) {
        return wrong(reading, tls, complaint,
                     "tls: require_client_certificate needs client_ca, the file that says which "
                     "certificates are good");
    }
    if (host->config_count(plugin, listen) > 0 &&
        (settings->certificate == NULL || settings->key == NULL)) {
        return wrong(reading, listen, complaint, "tls_listen needs tls: {certificate, key}");
    }
    return MUSTER_OK;
}

enum muster_status resp_settings_read(struct resp_settings *settings, struct muster_plugin *plugin,
                                      const struct muster_host *host,
                                      const struct muster_config *config,
                                      struct muster_complaint *complaint) {
    const struct reading reading = {plugin, host, config};
    *settings = (struct resp_settings){
        .parser = {.arguments = size(&reading, "max_arguments"),
                   .argument = size(&reading, "max_argument"),
                   .request = size(&reading, "max_request"),
                   .inline_line = size(&reading, "max_inline")},
        .max_pending = size(&reading, "max_pending"),
        .max_pending_total = size(&reading, "max_pending_total"),
        .max_output = size(&reading, "max_output"),
        .max_output_total = size(&reading, "max_output_total"),
        .handshake_timeout = number(&reading, "handshake_timeout"),
        .idle_timeout = number(&reading, "idle_timeout"),
        .max_sockets = size(&reading, "max_sockets"),
        .max_sockets_per_address = size(&reading, "max_sockets_per_address"),
        .rate = number(&reading, "rate"),
        .rate_burst = number(&reading, "rate_burst"),
        .max_subscriptions = size(&reading, "max_subscriptions"),
    };
    if (settings->rate_burst == 0) {
        settings->rate_burst = settings->rate;
    }
    enum muster_status status = read_mode(&reading, settings, complaint);
    return status == MUSTER_OK ? read_tls(&reading, settings, complaint) : status;
}
