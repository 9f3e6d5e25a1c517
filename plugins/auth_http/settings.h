/* settings.h - the plugin's configuration, read and checked as a whole. */
#ifndef HTTP_SETTINGS_H
#define HTTP_SETTINGS_H

#include "muster/plugin.h"

struct x509_store_st;

/* A text with a length, for what comes out of files. */
struct http_pem {
    char *data; /* NULL: none */
    size_t length;
};

struct http_settings {
    char *url;
    char *authenticate_url;      /* NULL: asked nothing about credentials */
    char *authorization;         /* the whole header line; NULL: none. A secret */
    struct x509_store_st *trust; /* certificates; NULL: no URL is https */
    struct http_pem client_cert;
    struct http_pem client_key; /* a secret */
    uint64_t timeout_ms;
    uint64_t connect_timeout_ms;
    uint64_t max_concurrent;
    uint64_t max_queued;
    uint64_t max_response;
    uint64_t cache_most_ms;
    uint64_t breaker_failures;
    uint64_t breaker_open_ms;
    bool asked[MUSTER_ACTIONS];
};

enum { HTTP_KEYS = 15 };
extern const struct muster_config_key http_keys[HTTP_KEYS];

/* Reads `node` (NULL: the plugin's own mapping) and the small files that it names. NULL: the
 * complaint says why. */
struct http_settings *http_settings_read(struct muster_plugin *plugin,
                                         const struct muster_host *host,
                                         const struct muster_config *node,
                                         struct muster_complaint *complaint);
/* Overwrites its secrets. Clears the pointer; NULL in it is fine. */
void http_settings_destroy(struct http_settings **settings);

#endif
