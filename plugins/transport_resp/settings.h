/* settings.h - the configuration of transport_resp: its keys, and what they say. */
#ifndef RESP_SETTINGS_H
#define RESP_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "muster/plugin.h"
#include "parse.h"

struct resp_settings {
    struct resp_limits parser;
    size_t max_pending;         /* requests of one socket; it is read no further meanwhile */
    size_t max_pending_total;   /* of all; more are answered OVERLOADED */
    size_t max_output;          /* bytes one socket has not read; it is closed */
    size_t max_output_total;    /* of all; who adds to it and is behind is closed */
    uint64_t handshake_timeout; /* ms for TLS, a first request, and a request that was begun */
    uint64_t idle_timeout;      /* ms without a request; 0: for ever */
    size_t max_sockets;
    size_t max_sockets_per_address; /* 0: no bound */
    uint64_t rate;                  /* requests a second of one principal; 0: no bound */
    uint64_t rate_burst;            /* at once */
    size_t max_subscriptions;       /* of one socket */
    unsigned unix_mode;

    /* Paths; the host's, valid until close. NULL: none. */
    const char *certificate, *key, *client_ca;
    bool require_client_certificate;
};

#define RESP_KEYS 19
extern const struct muster_config_key resp_keys[RESP_KEYS];

/* Reads all but the addresses. `config` NULL: the present mapping. */
enum muster_status resp_settings_read(struct resp_settings *settings, struct muster_plugin *plugin,
                                      const struct muster_host *host,
                                      const struct muster_config *config,
                                      struct muster_complaint *complaint);

#endif
