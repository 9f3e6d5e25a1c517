#include <stdlib.h>
#include <string.h>

#include "base/endpoint.h"
#include "base/ids.h"
#include "config/config.h"
#include "config/keys.h"
#include "config/text.h"
#include "config/value.h"

/* A unix socket's path has 107 bytes; the managed Redis adds its own name to the directory. */
#define STATE_DIR_MAX (107 - sizeof "/redis.sock")
#define ADDRESS_MAX 255

static const char *origin(const struct mu_config *config, const char *name) {
    size_t key = mu_config_key_find(name);

    return key < mu_config_key_count ? config->origins[key] : NULL;
}

/* Sets "<where it was given>key: sentence". */
static enum muster_status fault(const struct mu_config *config, const char *name,
                                struct mu_error *error, const char *sentence) {
    const char *place = origin(config, name);

    return mu_error_set(error, MUSTER_BAD_REQUEST, "%s%s: %s", place != NULL ? place : "", name,
                        sentence);
}

static enum muster_status check_id(const struct mu_config *config, const char *name, const char *id,
                                   struct mu_error *error) {
    char shown[MU_TEXT_SHOWN];
    char sentence[256];

    if (mu_id_valid(id, strlen(id))) {
        return MUSTER_OK;
    }
    snprintf(sentence, sizeof sentence,
             "'%s' is not an id; allowed are 1 to 128 of A-Z a-z 0-9 . _ ~ @ | + = -",
             mu_text_show(shown, id, strlen(id)));
    return fault(config, name, error, sentence);
}

struct relation {
    const char *small, *large;
    size_t small_offset, large_offset;
    bool may_equal;
};

#define AT(member) offsetof(struct mu_config, member)

static const struct relation relations[] = {
    {"redis.retry_min", "redis.retry_max", AT(redis.retry_min_ms), AT(redis.retry_max_ms), true},
    {"coordinator.renew", "coordinator.lease", AT(coordinator.renew_ms), AT(coordinator.lease_ms),
     false},
    {"detector.heartbeat", "detector.suspect_after", AT(detector.heartbeat_ms),
     AT(detector.suspect_after_ms), false},
    {"detector.suspect_after", "detector.dead_after", AT(detector.suspect_after_ms),
     AT(detector.dead_after_ms), false},
};

static uint64_t number_at(const struct mu_config *config, size_t offset) {
    uint64_t value;

    memcpy(&value, (const char *)config + offset, sizeof value);
    return value;
}

/* [may the two be equal][is the complaint about the larger one] */
static const struct {
    const char *wrong, *allowed;
} wordings[2][2] = {
    {{"is not shorter than", "less than"}, {"is not longer than", "more than"}},
    {{"is longer than", "at most"}, {"is shorter than", "at least"}},
};

/* The complaint goes to the smaller one, unless only the larger was set by somebody. */
static enum muster_status complain(const struct mu_config *config, const struct relation *relation,
                                   struct mu_error *error) {
    bool at_large =
        origin(config, relation->small) == NULL && origin(config, relation->large) != NULL;
    uint64_t small = number_at(config, relation->small_offset);
    uint64_t large = number_at(config, relation->large_offset);
    const char *wrong = wordings[relation->may_equal][at_large].wrong;
    const char *allowed = wordings[relation->may_equal][at_large].allowed;
    enum muster_status status = MUSTER_INTERNAL;
    struct mu_buffer text;

    mu_buffer_init(&text, 0);
    if (mu_value_print_duration(&text, at_large ? large : small) &&
        mu_buffer_printf(&text, " %s %s; allowed is %s ", wrong,
                         at_large ? relation->small : relation->large, allowed) &&
        mu_value_print_duration(&text, at_large ? small : large)) {
        status = fault(config, at_large ? relation->large : relation->small, error, text.data);
    }
    mu_buffer_deinit(&text);
    return status;
}

static enum muster_status check_relations(const struct mu_config *config, struct mu_error *error) {
    for (size_t i = 0; i < sizeof relations / sizeof relations[0]; i++) {
        const struct relation *relation = &relations[i];
        uint64_t small = number_at(config, relation->small_offset);
        uint64_t large = number_at(config, relation->large_offset);

        if (small > large || (small == large && !relation->may_equal)) {
            return complain(config, relation, error);
        }
    }
    return MUSTER_OK;
}

static bool begins(const char *text, const char *start) {
    return strncmp(text, start, strlen(start)) == 0;
}

static enum muster_status check_external(const struct mu_config *config, struct mu_error *error) {
    const char *url = config->redis.url;

    if (url[0] == '\0') {
        return fault(config, origin(config, "redis.url") != NULL ? "redis.url" : "redis.mode",
                     error, "external needs redis.url; allowed is redis://, rediss:// or unix://");
    }
    if (!begins(url, "redis://") && !begins(url, "unix://") && !begins(url, "rediss://")) {
        return fault(config, "redis.url", error,
                     "is not the address of a Redis; allowed is "
                     "redis://[user[:password]@]host[:port][/db], the same with rediss:// (TLS), "
                     "or unix:///path/to/socket");
    }
    return MUSTER_OK;
}

/* Whether the files can be read and fit each other is found where TLS is. */
static enum muster_status check_tls(const struct mu_config *config, struct mu_error *error) {
    const struct {
        const char *name, *value;
    } keys[] = {
        {"redis.tls.ca", config->redis.tls.ca},
        {"redis.tls.certificate", config->redis.tls.certificate},
        {"redis.tls.key", config->redis.tls.key},
        {"redis.tls.server_name", config->redis.tls.server_name},
    };
    bool tls = config->redis.mode != MU_REDIS_MANAGED && begins(config->redis.url, "rediss://");

    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (!tls && keys[i].value[0] != '\0') {
            return fault(
                config, keys[i].name, error,
                "counts only with redis.mode external or sentinel, and a redis.url that begins "
                "with rediss://; leave it out, or give such a url");
        }
    }
    if (config->redis.tls.certificate[0] != '\0' && config->redis.tls.key[0] == '\0') {
        return fault(config, "redis.tls.certificate", error, "needs redis.tls.key beside it");
    }
    if (config->redis.tls.key[0] != '\0' && config->redis.tls.certificate[0] == '\0') {
        return fault(config, "redis.tls.key", error, "needs redis.tls.certificate beside it");
    }
    return MUSTER_OK;
}

/* What the addresses look like is looked at where they are read. */
static enum muster_status check_sentinel(const struct mu_config *config, struct mu_error *error) {
    const char *url = config->redis.url;

    if (config->redis.sentinel.address_count == 0) {
        return fault(config,
                     origin(config, "redis.sentinel.addresses") != NULL ? "redis.sentinel.addresses"
                                                                        : "redis.mode",
                     error,
                     "sentinel needs redis.sentinel.addresses; allowed is a list of host:port");
    }
    if (config->redis.sentinel.master[0] == '\0') {
        return fault(config,
                     origin(config, "redis.sentinel.master") != NULL ? "redis.sentinel.master"
                                                                     : "redis.mode",
                     error,
                     "sentinel needs redis.sentinel.master; allowed is the name that the sentinels "
                     "have for the master");
    }
    if (url[0] != '\0' && !begins(url, "redis://") && !begins(url, "rediss://")) {
        return fault(config, "redis.url", error,
                     "cannot be used with sentinels; allowed is "
                     "redis://[user[:password]@]host[/db], of which the host does not count");
    }
    return MUSTER_OK;
}

static enum muster_status check_managed(const struct mu_config *config, struct mu_error *error) {
    char sentence[160];

    if (strlen(config->state_dir) > STATE_DIR_MAX) {
        snprintf(sentence, sizeof sentence,
                 "is %zu bytes long, too long for a socket in it; allowed are %zu",
                 strlen(config->state_dir), STATE_DIR_MAX);
        return fault(config, "state_dir", error, sentence);
    }
    return MUSTER_OK;
}

static enum muster_status check_redis(const struct mu_config *config, struct mu_error *error) {
    switch (config->redis.mode) {
    case MU_REDIS_EXTERNAL:
        return check_external(config, error);
    case MU_REDIS_SENTINEL:
        return check_sentinel(config, error);
    case MU_REDIS_MANAGED:
        break;
    }
    return check_managed(config, error);
}

/* They stand in the lease and in lists, where a space or a comma would end them. */
static enum muster_status check_advertise(const struct mu_config *config, struct mu_error *error) {
    for (size_t i = 0; i < config->coordinator.advertise_count; i++) {
        const char *address = config->coordinator.advertise[i];
        char shown[MU_TEXT_SHOWN];
        char sentence[256];

        if (address[0] == '\0' || strlen(address) > ADDRESS_MAX || strpbrk(address, " ,") != NULL) {
            snprintf(sentence, sizeof sentence,
                     "'%s' is not an address; allowed are 1 to %d bytes without space and comma",
                     mu_text_show(shown, address, strlen(address)), ADDRESS_MAX);
            return fault(config, "coordinator.advertise", error, sentence);
        }
    }
    return MUSTER_OK;
}

/* There is neither a password nor TLS at it. */
static enum muster_status check_metrics(const struct mu_config *config, struct mu_error *error) {
    struct mu_endpoint endpoint;
    if (config->metrics.listen[0] == '\0') {
        return MUSTER_OK;
    }
    if (!mu_endpoint_read(config->metrics.listen, &endpoint)) {
        return fault(config, "metrics.listen", error,
                     "is no IP address with a port; allowed is the like of 127.0.0.1:9411 or "
                     "[::1]:9411");
    }
    if (!endpoint.loopback && config->metrics.allow_remote != MU_SWITCH_TRUE) {
        return fault(config, "metrics.listen", error,
                     "is an address that other machines reach, and whoever reaches it may read; "
                     "allowed is 127.0.0.1 or [::1], or metrics.allow_remote: true beside it");
    }
    return MUSTER_OK;
}

enum muster_status mu_config_check(const struct mu_config *config, struct mu_error *error) {
    enum muster_status status = check_id(config, "namespace", config->name_space, error);

    if (status == MUSTER_OK) {
        status = check_id(config, "coordinator.id", config->coordinator.id, error);
    }
    if (status == MUSTER_OK) {
        status = check_advertise(config, error);
    }
    if (status == MUSTER_OK) {
        status = check_redis(config, error);
    }
    if (status == MUSTER_OK) {
        status = check_tls(config, error);
    }
    if (status == MUSTER_OK) {
        status = check_relations(config, error);
    }
    if (status == MUSTER_OK) {
        status = check_metrics(config, error);
    }
    return status;
}
