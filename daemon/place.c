#include "place.h"

#include <string.h>

#include "redis/tls.h"

static enum muster_status read_places(const struct mu_config *config,
                                      const struct mu_redis_tls_options *tls,
                                      struct mu_sentinel_places *places, struct mu_error *error) {
    const struct mu_sentinel_names names = {
        .master = config->redis.sentinel.master,
        .addresses = (const char *const *)config->redis.sentinel.addresses,
        .count = config->redis.sentinel.address_count,
        .user = config->redis.sentinel.user,
        .password = config->redis.sentinel.password,
        .url = config->redis.url,
        .tls = *tls,
    };
    return mu_sentinel_places_read(&names, places, error);
}

static enum muster_status read_address(const struct mu_config *config,
                                       const struct mu_redis_tls_options *tls,
                                       struct mu_redis_address *address, struct mu_error *error) {
    if (mu_redis_address_parse(config->redis.url, address, error) != MUSTER_OK) {
        return mu_error_prefix(error, "redis.url");
    }
    if (mu_redis_address_set_tls(address, tls, error) != MUSTER_OK ||
        mu_tls_check(address, error) != MUSTER_OK) {
        mu_redis_address_deinit(address);
        return mu_error_prefix(error, "redis.tls");
    }
    return MUSTER_OK;
}

enum muster_status mu_place_read(const struct mu_config *config, struct mu_place *place,
                                 struct mu_error *error) {
    const struct mu_redis_tls_options tls = {
        .ca = config->redis.tls.ca,
        .certificate = config->redis.tls.certificate,
        .key = config->redis.tls.key,
        .server_name = config->redis.tls.server_name,
    };
    memset(place, 0, sizeof *place);
    switch (config->redis.mode) {
    case MU_REDIS_SENTINEL:
        return read_places(config, &tls, &place->sentinels, error);
    case MU_REDIS_EXTERNAL:
        return read_address(config, &tls, &place->address, error);
    case MU_REDIS_MANAGED:
        break;
    }
    return MUSTER_OK;
}

void mu_place_deinit(struct mu_place *place) {
    mu_sentinel_places_deinit(&place->sentinels);
    mu_redis_address_deinit(&place->address);
}

struct mu_link_options mu_place_link(const struct mu_place_client *who,
                                     const struct mu_redis_address *address) {
    const struct mu_config *config = who->config;
    return (struct mu_link_options){
        .address = address,
        .client_name = who->client_name,
        .connect_timeout_ms = config->redis.connect_timeout_ms,
        .command_timeout_ms = config->redis.command_timeout_ms,
        .retry_min_ms = config->redis.retry_min_ms,
        .retry_max_ms = config->redis.retry_max_ms,
        .queue_commands = config->redis.queue_commands,
        .queue_bytes = config->redis.queue_bytes,
        .log = who->log,
        .context = who->context,
    };
}

struct mu_subscriber_options mu_place_subscriber(const struct mu_place_client *who,
                                                 const struct mu_redis_address *address) {
    struct mu_link_options link = mu_place_link(who, address);
    return (struct mu_subscriber_options){
        .address = address,
        .client_name = link.client_name,
        .connect_timeout_ms = link.connect_timeout_ms,
        .command_timeout_ms = link.command_timeout_ms,
        .retry_min_ms = link.retry_min_ms,
        .retry_max_ms = link.retry_max_ms,
        .log = link.log,
        .context = link.context,
    };
}

struct mu_sentinel_options mu_place_sentinel(const struct mu_place_client *who,
                                             const struct mu_sentinel_places *places) {
    struct mu_link_options link = mu_place_link(who, NULL);
    return (struct mu_sentinel_options){
        .master = who->config->redis.sentinel.master,
        .places = places,
        .client_name = link.client_name,
        .connect_timeout_ms = link.connect_timeout_ms,
        .command_timeout_ms = link.command_timeout_ms,
        .retry_min_ms = link.retry_min_ms,
        .retry_max_ms = link.retry_max_ms,
        .log = link.log,
        .context = link.context,
    };
}
