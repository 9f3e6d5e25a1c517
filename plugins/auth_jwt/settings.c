#include "settings.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "algorithm.h"

const struct muster_config_key jwt_settings_keys[JWT_SETTINGS_KEYS] = {
    {"algorithms", MUSTER_CONFIG_LIST, true, NULL, 1, 12,
     "The algorithms that are allowed, such as RS256; none is never"},
    {"jwks", MUSTER_CONFIG_TEXT, true, NULL, 1, 4096, "Absolute path of the file of keys (JWKS)"},
    {"check_interval", MUSTER_CONFIG_DURATION, false, "1s", 10, 86400000,
     "How often to look whether that file has changed"},
    {"issuer", MUSTER_CONFIG_LIST, false, "[]", 0, JWT_LIST_MAX,
     "Issuers (iss) that are accepted; none: it is not looked at"},
    {"audience", MUSTER_CONFIG_LIST, false, "[]", 0, JWT_LIST_MAX,
     "Audiences (aud) of which a token must name one; none: it must not name any"},
    {"leeway", MUSTER_CONFIG_DURATION, false, "30s", 0, 600000,
     "How far the clocks of issuer and daemon may be apart"},
    {"require_expiry", MUSTER_CONFIG_BOOLEAN, false, "true", 0, 0,
     "Refuse tokens that never expire"},
    {"purposes", MUSTER_CONFIG_LIST, false, "[caller, end_user]", 1, 2,
     "Whose tokens are looked at: caller, end_user"},
    {"claims", MUSTER_CONFIG_TREE, false, NULL, 0, 0,
     "Which claims are what: user, kind, instance, roles, sessions, profile"},
    {"actions", MUSTER_CONFIG_LIST, false,
     "[session.enter, session.lead, session.read, events.subscribe]", 0, MUSTER_ACTIONS,
     "What the session patterns of a token decide about"},
    {"max_token", MUSTER_CONFIG_SIZE, false, "8KiB", 256, 65536, "Longest token"},
    {"max_waiting", MUSTER_CONFIG_INTEGER, false, "4096", 1, 1000000,
     "How many tokens may wait to be verified; more are refused, to be tried again"},
};

/* What the reading of one mapping shares. */
struct reader {
    struct muster_plugin *plugin;
    const struct muster_host *host;
    const struct muster_config *config;
    struct jwt_settings *settings;
    struct muster_complaint *complaint;
};

static bool refuse(const struct reader *reader, const struct muster_config *node,
                   const char *format, ...) MUSTER_PRINTF(3, 4);
static bool refuse(const struct reader *reader, const struct muster_config *node,
                   const char *format, ...) {
    char text[400];
    va_list arguments;
    va_start(arguments, format);
    /* The analyzer loses va_start() when it inlines a variadic function. */
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized) */
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    snprintf(reader->complaint->text, sizeof reader->complaint->text, "%s: %s",
             reader->host->config_place(reader->plugin, node), text);
    return false;
}

/* ---- the host's nodes ---- */

static const struct muster_config *get(const struct reader *reader, const char *key) {
    return reader->host->config_get(reader->plugin, reader->config, key);
}

static const char *text_of(const struct reader *reader, const struct muster_config *node) {
    return reader->host->config_text(reader->plugin, node);
}

static uint64_t number_of(const struct reader *reader, const char *key,
                          enum muster_config_type type) {
    uint64_t number = 0;
    /* Checked by the host, and it has a default. */
    (void)reader->host->config_number(reader->plugin, get(reader, key), type, &number);
    return number;
}

/* Calls `take` for each text of a list that the host has checked. */
static bool each(const struct reader *reader, const char *key,
                 bool (*take)(const struct reader *reader, const struct muster_config *node,
                              const char *text)) {
    const struct muster_config *list = get(reader, key);
    size_t count = reader->host->config_count(reader->plugin, list);
    for (size_t i = 0; i < count; i++) {
        const struct muster_config *node = reader->host->config_item(reader->plugin, list, i);
        if (!take(reader, node, text_of(reader, node))) {
            return false;
        }
    }
    return true;
}

/* ---- lists ---- */

static bool take_algorithm(const struct reader *reader, const struct muster_config *node,
                           const char *text) {
    const struct jwt_algorithm *algorithm = jwt_algorithm_find(text);
    if (strcasecmp(text, "none") == 0) {
        return refuse(reader, node,
                      "algorithms: with 'none' everybody could write a token; it cannot be "
                      "allowed");
    }
    if (algorithm == NULL) {
        return refuse(reader, node, "algorithms: there is no '%.40s'; allowed are %s", text,
                      JWT_ALGORITHMS_TEXT);
    }
    reader->settings->algorithms |= algorithm->bit;
    return true;
}

static bool take_purpose(const struct reader *reader, const struct muster_config *node,
                         const char *text) {
    if (strcmp(text, "caller") == 0) {
        reader->settings->callers = true;
    } else if (strcmp(text, "end_user") == 0) {
        reader->settings->end_users = true;
    } else {
        return refuse(reader, node, "purposes: there is no '%.40s'; allowed are caller, end_user",
                      text);
    }
    return true;
}

/* They are about one session each: a pattern can decide them. */
static bool take_action(const struct reader *reader, const struct muster_config *node,
                        const char *text) {
    static const char *const names[] = {
#define NAME(name, text, covers) text,
        MUSTER_ACTION_TABLE(NAME)
#undef NAME
    };
    for (size_t i = 0; i < MUSTER_ACTIONS; i++) {
        if (strcmp(names[i], text) == 0 &&
            (strncmp(text, "session.", 8) == 0 || i == MUSTER_ACTION_EVENTS_SUBSCRIBE)) {
            reader->settings->actions |= 1U << i;
            return true;
        }
    }
    return refuse(reader, node,
                  "actions: '%.40s' is not about a session; allowed are session.enter, "
                  "session.lead, session.promote, session.kick, session.configure, session.read, "
                  "events.subscribe",
                  text);
}

static bool add_to(struct jwt_list *list, const char *text) {
    if (list->count == JWT_LIST_MAX) {
        return false;
    }
    list->items[list->count++] = text;
    return true;
}

static bool take_issuer(const struct reader *reader, const struct muster_config *node,
                        const char *text) {
    return add_to(&reader->settings->issuers, text) || refuse(reader, node, "issuer: too many");
}

static bool take_audience(const struct reader *reader, const struct muster_config *node,
                          const char *text) {
    return add_to(&reader->settings->audiences, text) || refuse(reader, node, "audience: too many");
}

/* ---- the mapping of claims ---- */

bool jwt_kind_read(const char *text, enum muster_principal_kind *kind) {
    if (strcmp(text, "instance") == 0) {
        *kind = MUSTER_PRINCIPAL_INSTANCE;
    } else if (strcmp(text, "user") == 0) {
        *kind = MUSTER_PRINCIPAL_USER;
    } else if (strcmp(text, "operator") == 0) {
        *kind = MUSTER_PRINCIPAL_OPERATOR;
    } else {
        return false;
    }
    return true;
}

static bool read_profile(const struct reader *reader, const struct muster_config *list) {
    size_t count = reader->host->config_count(reader->plugin, list);
    if (text_of(reader, list) != NULL) {
        return refuse(reader, list, "claims.profile: is no list of claims");
    }
    for (size_t i = 0; i < count; i++) {
        const struct muster_config *node = reader->host->config_item(reader->plugin, list, i);
        const char *text = text_of(reader, node);
        if (text == NULL || text[0] == '\0' || strcmp(text, "auth_jwt") == 0) {
            return refuse(reader, node, "claims.profile: has an item that is no name of a claim");
        }
        if (!add_to(&reader->settings->profile, text)) {
            return refuse(reader, node, "claims.profile: at most %d are allowed", JWT_LIST_MAX);
        }
    }
    return true;
}

static bool read_claim(const struct reader *reader, const char *key,
                       const struct muster_config *node) {
    struct jwt_settings *settings = reader->settings;
    const struct {
        const char *key;
        const char **to;
    } paths[] = {
        {"user", &settings->user},         {"kind", &settings->kind},
        {"instance", &settings->instance}, {"roles", &settings->roles},
        {"sessions", &settings->sessions},
    };
    if (strcmp(key, "profile") == 0) {
        return read_profile(reader, node);
    }
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        if (strcmp(paths[i].key, key) == 0) {
            *paths[i].to = text_of(reader, node);
            return (*paths[i].to != NULL && **paths[i].to != '\0') ||
                   refuse(reader, node, "claims.%s: is no name of a claim", key);
        }
    }
    return refuse(reader, node,
                  "claims: unknown key '%.40s'; allowed are user, kind, instance, roles, sessions, "
                  "profile",
                  key);
}

static bool read_claims(const struct reader *reader) {
    struct jwt_settings *settings = reader->settings;
    const struct muster_config *claims = get(reader, "claims");
    size_t count = claims != NULL ? reader->host->config_count(reader->plugin, claims) : 0;
    settings->user = "sub";
    settings->fixed_kind = MUSTER_PRINCIPAL_USER;
    for (size_t i = 0; i < count; i++) {
        const char *key = reader->host->config_key(reader->plugin, claims, i);
        if (key == NULL) {
            return refuse(reader, claims, "claims: is no mapping");
        }
        if (!read_claim(reader, key, reader->host->config_item(reader->plugin, claims, i))) {
            return false;
        }
    }
    if (settings->kind != NULL && jwt_kind_read(settings->kind, &settings->fixed_kind)) {
        settings->kind = NULL; /* a kind, and no claim that says it */
    }
    return true;
}

/* ---- all of it ---- */

static bool read_all(const struct reader *reader) {
    struct jwt_settings *settings = reader->settings;
    settings->jwks = text_of(reader, get(reader, "jwks"));
    settings->check_interval_ms = number_of(reader, "check_interval", MUSTER_CONFIG_DURATION);
    settings->leeway_ms = number_of(reader, "leeway", MUSTER_CONFIG_DURATION);
    settings->require_expiry = number_of(reader, "require_expiry", MUSTER_CONFIG_BOOLEAN) != 0;
    settings->max_token = number_of(reader, "max_token", MUSTER_CONFIG_SIZE);
    settings->max_waiting = number_of(reader, "max_waiting", MUSTER_CONFIG_INTEGER);
    if (settings->jwks[0] != '/') {
        return refuse(reader, get(reader, "jwks"), "jwks: '%.200s' is no absolute path",
                      settings->jwks);
    }
    return each(reader, "algorithms", take_algorithm) && each(reader, "issuer", take_issuer) &&
           each(reader, "audience", take_audience) && each(reader, "purposes", take_purpose) &&
           each(reader, "actions", take_action) && read_claims(reader);
}

struct jwt_settings *jwt_settings_read(struct muster_plugin *plugin, const struct muster_host *host,
                                       const struct muster_config *config,
                                       struct muster_complaint *complaint) {
    struct reader reader = {plugin, host, config, calloc(1, sizeof *reader.settings), complaint};
    if (reader.settings == NULL) {
        snprintf(complaint->text, sizeof complaint->text, "out of memory");
        return NULL;
    }
    reader.settings->references = 1;
    if (!read_all(&reader)) {
        jwt_settings_unref(&reader.settings);
    }
    return reader.settings;
}

struct jwt_settings *jwt_settings_ref(struct jwt_settings *settings) {
    settings->references++;
    return settings;
}

void jwt_settings_unref(struct jwt_settings **pointer) {
    struct jwt_settings *settings = *pointer;
    *pointer = NULL;
    if (settings != NULL && --settings->references == 0) {
        free(settings);
    }
}
