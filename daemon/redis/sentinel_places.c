#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "redis/sentinel.h"
#include "redis/sentinel_choice.h"
#include "redis/tls.h"

/* What the sentences call the things. */
struct labels {
    const char *master, *addresses, *user, *url, *tls;
};

static const struct labels keys = {"redis.sentinel.master", "redis.sentinel.addresses",
                                   "redis.sentinel.user", "redis.url", "redis.tls"};
static const struct labels words = {"--master", "--sentinel", "--sentinel", "--url", "--url"};

static bool given(const char *text) {
    return text != NULL && text[0] != '\0';
}

static enum muster_status read_url(const struct mu_sentinel_names *names,
                                   const struct labels *labels, struct mu_redis_address *master,
                                   struct mu_error *error) {
    memset(master, 0, sizeof *master);
    if (given(names->url) && mu_redis_address_parse(names->url, master, error) != MUSTER_OK) {
        return mu_error_prefix(error, "%s", labels->url);
    }
    if (mu_redis_address_set_tls(master, &names->tls, error) != MUSTER_OK ||
        mu_tls_check(master, error) != MUSTER_OK) {
        mu_redis_address_deinit(master);
        return mu_error_prefix(error, "%s", labels->tls);
    }
    if (master->path != NULL) {
        mu_redis_address_deinit(master);
        return mu_error_set(error, MUSTER_BAD_REQUEST,
                            "%s: sentinels know no unix sockets; allowed is "
                            "redis://[user[:password]@]host[/db], of which the host does not "
                            "count",
                            labels->url);
    }
    free(master->host);
    master->host = NULL;
    master->port = 0;
    return MUSTER_OK;
}

/* A sentinel is spoken to as the master is (what a scheme means), but with its own login. */
static enum muster_status add(struct mu_sentinel_places *places,
                              const struct mu_sentinel_names *names, const char *text,
                              const struct labels *labels, struct mu_error *error) {
    struct mu_redis_address place;
    if (places->count == MU_SENTINELS_MAX) {
        return mu_error_set(error, MUSTER_BAD_REQUEST, "%s: allowed are 1 to %d addresses",
                            labels->addresses, MU_SENTINELS_MAX);
    }
    if (mu_redis_address_endpoint(text, MU_SENTINEL_PORT, &place, error) != MUSTER_OK) {
        return mu_error_prefix(error, "%s: number %zu", labels->addresses, places->count + 1);
    }
    struct mu_redis_address *sentinel = &places->sentinels[places->count++];
    struct mu_redis_address bare = places->master;
    bare.host = place.host;
    bare.port = place.port;
    bare.user = NULL;
    bare.password = NULL;
    bare.database = 0;
    mu_redis_address_copy(sentinel, &bare);
    sentinel->user = given(names->user) ? mu_strdup(names->user) : NULL;
    sentinel->password = given(names->password) ? mu_strdup(names->password) : NULL;
    mu_redis_address_deinit(&place);
    return MUSTER_OK;
}

static enum muster_status add_list(struct mu_sentinel_places *places,
                                   const struct mu_sentinel_names *names,
                                   const struct labels *labels, struct mu_error *error) {
    enum muster_status status = MUSTER_OK;
    const char *at = names->list;
    while (status == MUSTER_OK) {
        size_t length = strcspn(at, ",");
        char *text = mu_strndup(at, length);
        status = add(places, names, text, labels, error);
        free(text);
        if (at[length] == '\0') {
            break;
        }
        at += length + 1;
    }
    return status;
}

enum muster_status mu_sentinel_places_read(const struct mu_sentinel_names *names,
                                           struct mu_sentinel_places *places,
                                           struct mu_error *error) {
    const struct labels *labels = names->list != NULL ? &words : &keys;
    memset(places, 0, sizeof *places);
    if (!given(names->master) || !mu_sentinel_master_valid(names->master)) {
        return mu_error_set(error, MUSTER_BAD_REQUEST,
                            "%s: is not the name of a master; allowed are 1 to %d of "
                            "A-Z a-z 0-9 . - _",
                            labels->master, MU_SENTINEL_MASTER_MAX);
    }
    if (names->list == NULL && names->count == 0) {
        return mu_error_set(error, MUSTER_BAD_REQUEST, "%s: allowed are 1 to %d addresses",
                            labels->addresses, MU_SENTINELS_MAX);
    }
    if (given(names->user) && !given(names->password)) {
        return mu_error_set(error, MUSTER_BAD_REQUEST, "%s: needs a password, too", labels->user);
    }
    enum muster_status status = read_url(names, labels, &places->master, error);
    if (status != MUSTER_OK) {
        return status;
    }
    places->sentinels = mu_calloc(MU_SENTINELS_MAX, sizeof *places->sentinels);
    if (names->list != NULL) {
        status = add_list(places, names, labels, error);
    }
    for (size_t i = 0; names->list == NULL && i < names->count && status == MUSTER_OK; i++) {
        status = add(places, names, names->addresses[i], labels, error);
    }
    if (status != MUSTER_OK) {
        mu_sentinel_places_deinit(places);
    }
    return status;
}

void mu_sentinel_places_copy(struct mu_sentinel_places *to, const struct mu_sentinel_places *from) {
    mu_redis_address_copy(&to->master, &from->master);
    to->count = from->count;
    to->sentinels = mu_calloc(from->count, sizeof *to->sentinels);
    for (size_t i = 0; i < from->count; i++) {
        mu_redis_address_copy(&to->sentinels[i], &from->sentinels[i]);
    }
}

void mu_sentinel_places_deinit(struct mu_sentinel_places *places) {
    for (size_t i = 0; i < places->count; i++) {
        mu_redis_address_deinit(&places->sentinels[i]);
    }
    free(places->sentinels);
    mu_redis_address_deinit(&places->master);
    memset(places, 0, sizeof *places);
}

void mu_sentinel_address(const struct mu_sentinel_places *places, const char *host, uint16_t port,
                         struct mu_redis_address *address) {
    mu_redis_address_copy(address, &places->master);
    address->host = mu_strdup(host);
    address->port = port;
}
