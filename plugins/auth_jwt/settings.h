/* settings.h - what the configuration says, immutable and counted by reference. References are
 * taken and given back on the loop's thread only. */
#ifndef JWT_SETTINGS_H
#define JWT_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "muster/plugin.h"

#define JWT_LIST_MAX 32

/* Texts are the host's and live until close. */
struct jwt_list {
    const char *items[JWT_LIST_MAX];
    size_t count;
};

struct jwt_settings {
    size_t references;
    uint32_t algorithms; /* bits of struct jwt_algorithm */
    const char *jwks;    /* absolute path */
    uint64_t check_interval_ms;
    struct jwt_list issuers;   /* empty: any */
    struct jwt_list audiences; /* empty: a token that names one is refused */
    uint64_t leeway_ms;
    bool require_expiry;
    bool callers;         /* purposes */
    bool end_users;       /* purposes */
    uint32_t actions;     /* bits by enum muster_action */
    uint64_t max_token;   /* bytes */
    uint64_t max_waiting; /* tokens */

    /* Paths of claims; NULL: not mapped. */
    const char *user;
    const char *kind; /* NULL: fixed_kind */
    enum muster_principal_kind fixed_kind;
    const char *instance;
    const char *roles;
    const char *sessions;
    struct jwt_list profile;
};

/* The keys of the plugin's `config:`, for its descriptor. */
#define JWT_SETTINGS_KEYS 12
extern const struct muster_config_key jwt_settings_keys[JWT_SETTINGS_KEYS];

/* Reads a mapping that the host has checked (NULL: the plugin's own). NULL: the complaint says why.
 * One reference is the caller's. */
struct jwt_settings *jwt_settings_read(struct muster_plugin *plugin, const struct muster_host *host,
                                       const struct muster_config *config,
                                       struct muster_complaint *complaint);

struct jwt_settings *jwt_settings_ref(struct jwt_settings *settings);
/* Clears the pointer. NULL is fine. */
void jwt_settings_unref(struct jwt_settings **settings);

/* "instance", "user" or "operator". */
bool jwt_kind_read(const char *text, enum muster_principal_kind *kind);

#endif
