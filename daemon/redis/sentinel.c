#include "redis/sentinel.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "redis/link.h"
#include "redis/sentinel_choice.h"
#include "redis/sentinel_probe.h"
#include "redis/subscriber.h"

#define PATIENCE_MS 500     /* for the answers of all, before the best so far is taken */
#define POLL_MS 10000       /* nothing happened: ask anyway */
#define UNSETTLED_MS 1000   /* the same while there is no master that works */
#define ASK_PAUSE_MS 100    /* the least between two rounds of questions */
#define REFUSED_MS 1000     /* how long what is no master, or not there, is believed of nobody */
#define REPEAT_LOG_MS 60000 /* the same complaint is logged again after this long */
#define REPLY_BYTES ((size_t)1 << 20)

struct peer {
    struct mu_sentinel *owner;
    size_t index;
    struct mu_link *link;
    struct mu_subscriber *subscriber;
    struct mu_sentinel_answer fresh; /* being put together */
};

struct mu_sentinel {
    uv_loop_t *loop;
    char *master;
    char *client_name;
    uint64_t connect_timeout_ms;
    uint64_t command_timeout_ms;
    struct mu_sentinel_places places;
    struct mu_log *log;
    void *context;
    void (*on_master)(void *context, const struct mu_redis_address *address);
    struct peer peers[MU_SENTINELS_MAX];
    struct mu_sentinel_answer answers[MU_SENTINELS_MAX]; /* of the peers, in their order */
    struct mu_sentinel_current current;
    struct mu_sentinel_current next; /* while `probe` */
    struct mu_probe *probe;          /* of what would be followed next; NULL: none */
    uv_timer_t timer;
    bool closing;
    uint64_t next_poll; /* ms of CLOCK_MONOTONIC */
    uint64_t asked_at;
    uint64_t wait_until; /* take the best so far then; 0: no round of questions is open */
    uint64_t complained_at;
    char complaint[160];
    size_t open_parts;
    void (*closed)(void *context);
    void *closed_context;
};

static void on_timer(uv_timer_t *timer);
static void ask_soon(struct mu_sentinel *self);

static uint64_t now_ms(void) {
    return mu_clock_monotonic_us() / 1000;
}

/* ---- when to look again ---- */

static bool unsettled(const struct mu_sentinel *self) {
    return self->current.host[0] == '\0' || self->current.doubted;
}

static void schedule(struct mu_sentinel *self) {
    uint64_t now = now_ms();
    uint64_t at = self->next_poll;
    if (self->wait_until != 0 && self->wait_until < at) {
        at = self->wait_until;
    }
    if (!self->closing) {
        uv_timer_start(&self->timer, on_timer, at > now ? at - now : 1, 0);
    }
}

/* ---- deciding ---- */

static void complain(struct mu_sentinel *self) {
    size_t ignorant = 0;
    size_t away = 0;
    char text[sizeof self->complaint];
    for (size_t i = 0; i < self->places.count; i++) {
        if (self->answers[i].kind == MU_SENTINEL_NAMED) {
            return;
        }
        ignorant += self->answers[i].kind == MU_SENTINEL_IGNORANT;
        away += self->answers[i].kind != MU_SENTINEL_IGNORANT;
    }
    snprintf(text, sizeof text, "%s: %zu of %zu sentinels know no such master, %zu cannot be asked",
             ignorant > 0 ? "redis.sentinel.master may be wrong" : "no sentinel answers", ignorant,
             self->places.count, away);
    uint64_t now = now_ms();
    if (strcmp(text, self->complaint) != 0 || now - self->complained_at >= REPEAT_LOG_MS) {
        snprintf(self->complaint, sizeof self->complaint, "%s", text);
        self->complained_at = now;
        MU_LOG(self->log, MU_LOG_ERROR, "sentinel.no_master", MU_STR("master", self->master),
               MU_STR("error", text));
    }
}

static bool names(const struct mu_sentinel_answer *answer,
                  const struct mu_sentinel_current *place) {
    return answer->kind == MU_SENTINEL_NAMED && answer->port == place->port &&
           strcmp(answer->host, place->host) == 0;
}

static void refuse(struct mu_sentinel *self, const struct mu_sentinel_current *place,
                   const char *reason) {
    uint64_t until = now_ms() + REFUSED_MS;
    for (size_t i = 0; i < self->places.count; i++) {
        if (names(&self->answers[i], place)) {
            self->answers[i].refused_until = until;
        }
    }
    MU_LOG(self->log, MU_LOG_WARN, "sentinel.refused", MU_STR("master", self->master),
           MU_STR("host", place->host), MU_INT("port", place->port), MU_STR("reason", reason));
}

static void tell_owner(struct mu_sentinel *self) {
    struct mu_redis_address address;
    self->current.doubted = true; /* until its owner has it working */
    MU_LOG(self->log, MU_LOG_INFO, "sentinel.master", MU_STR("master", self->master),
           MU_STR("host", self->current.host), MU_INT("port", self->current.port),
           MU_INT("config_epoch", self->current.epoch));
    mu_sentinel_address(&self->places, self->current.host, self->current.port, &address);
    self->on_master(self->context, &address);
    mu_redis_address_deinit(&address);
}

static void on_probed(void *context, enum mu_probe_verdict verdict, const char *reason) {
    struct mu_sentinel *self = context;
    mu_probe_end(&self->probe);
    if (verdict != MU_PROBE_MASTER) {
        refuse(self, &self->next, reason);
        ask_soon(self);
        return;
    }
    self->current = self->next;
    tell_owner(self);
}

/* Looks there before anything is left for it. */
static void probe(struct mu_sentinel *self, const struct mu_sentinel_answer *answer) {
    struct mu_redis_address address;
    self->complaint[0] = '\0';
    if (self->probe != NULL && names(answer, &self->next)) {
        self->next.epoch = answer->epoch;
        return;
    }
    mu_probe_end(&self->probe);
    self->next = (struct mu_sentinel_current){.port = answer->port, .epoch = answer->epoch};
    memcpy(self->next.host, answer->host, sizeof answer->host);
    mu_sentinel_address(&self->places, answer->host, answer->port, &address);
    self->probe = mu_probe_create(self->loop, &(struct mu_probe_options){
                                                  .address = &address,
                                                  .client_name = self->client_name,
                                                  .connect_timeout_ms = self->connect_timeout_ms,
                                                  .command_timeout_ms = self->command_timeout_ms,
                                                  .context = self,
                                                  .done = on_probed,
                                              });
    mu_redis_address_deinit(&address);
}

/* A failover that came back to the master that is followed: others were served by another
 * meanwhile, so what is known of the data there does not hold any more. */
static void see_returns(struct mu_sentinel *self) {
    bool returned = false;
    for (size_t i = 0; i < self->places.count; i++) {
        if (names(&self->answers[i], &self->current) &&
            self->answers[i].epoch > self->current.epoch) {
            self->current.epoch = self->answers[i].epoch;
            returned = true;
        }
    }
    if (returned && !self->closing) {
        tell_owner(self);
    }
}

static void decide(struct mu_sentinel *self) {
    uint64_t now = now_ms();
    bool pending = false;
    see_returns(self);
    for (size_t i = 0; i < self->places.count; i++) {
        pending = pending || self->answers[i].kind == MU_SENTINEL_PENDING;
    }
    if (self->closing || (pending && now < self->wait_until)) {
        return;
    }
    self->wait_until = 0;
    size_t index = mu_sentinel_choose(self->answers, self->places.count, &self->current, now);
    if (index < self->places.count) {
        probe(self, &self->answers[index]);
    } else {
        complain(self);
    }
}

/* ---- asking ---- */

static void answered(struct peer *peer) {
    struct mu_sentinel *self = peer->owner;
    struct mu_sentinel_answer *answer = &self->answers[peer->index];
    struct mu_sentinel_answer *fresh = &peer->fresh;
    fresh->refused_until = 0;
    for (size_t i = 0; i < self->places.count && fresh->kind == MU_SENTINEL_NAMED; i++) {
        const struct mu_sentinel_answer *other = &self->answers[i];
        if (other->port == fresh->port && strcmp(other->host, fresh->host) == 0 &&
            other->refused_until > fresh->refused_until) {
            fresh->refused_until = other->refused_until;
        }
    }
    *answer = *fresh;
    decide(self);
}

static void on_address(void *context, enum muster_status status, const redisReply *reply,
                       const struct mu_error *error) {
    struct peer *peer = context;
    (void)error;
    peer->fresh = (struct mu_sentinel_answer){.kind = MU_SENTINEL_AWAY};
    if (status == MUSTER_OK) {
        mu_sentinel_read_address(reply, &peer->fresh);
    }
}

static void on_epoch(void *context, enum muster_status status, const redisReply *reply,
                     const struct mu_error *error) {
    struct peer *peer = context;
    (void)error;
    if (status == MUSTER_OK) {
        peer->fresh.epoch = mu_sentinel_read_epoch(reply);
    }
    answered(peer);
}

static void ask(struct peer *peer) {
    struct mu_sentinel *self = peer->owner;
    const char *where[] = {"SENTINEL", "GET-MASTER-ADDR-BY-NAME", self->master};
    const char *about[] = {"SENTINEL", "MASTER", self->master};
    if (mu_link_command_now(peer->link, 3, where, NULL, on_address, peer) == MUSTER_OK &&
        mu_link_command_now(peer->link, 3, about, NULL, on_epoch, peer) == MUSTER_OK) {
        self->answers[peer->index].kind = self->answers[peer->index].kind == MU_SENTINEL_NAMED
                                              ? MU_SENTINEL_NAMED
                                              : MU_SENTINEL_PENDING;
    }
}

static void ask_all(struct mu_sentinel *self) {
    uint64_t now = now_ms();
    self->asked_at = now;
    self->next_poll = now + (unsettled(self) ? UNSETTLED_MS : POLL_MS);
    self->wait_until = now + PATIENCE_MS;
    for (size_t i = 0; i < self->places.count; i++) {
        ask(&self->peers[i]);
    }
    schedule(self);
}

/* Soon, but not more often than ASK_PAUSE_MS. */
static void ask_soon(struct mu_sentinel *self) {
    uint64_t at = self->asked_at + ASK_PAUSE_MS;
    if (at < self->next_poll) {
        self->next_poll = at;
    }
    schedule(self);
}

static void on_timer(uv_timer_t *timer) {
    struct mu_sentinel *self = timer->data;
    if (self->wait_until != 0 && now_ms() >= self->wait_until) {
        self->wait_until = 0;
        decide(self);
    }
    if (now_ms() >= self->next_poll) {
        ask_all(self);
    }
    schedule(self);
}

/* ---- what the connections tell ---- */

static void on_connected(void *context) {
    struct peer *peer = context;
    mu_link_open(peer->link);
    ask(peer);
    schedule(peer->owner);
}

static void on_down(void *context, const struct mu_error *reason) {
    struct peer *peer = context;
    (void)reason; /* the link has said it */
    peer->owner->answers[peer->index].kind = MU_SENTINEL_AWAY;
    decide(peer->owner);
}

static void on_message(void *context, const char *pattern, const char *channel, const char *payload,
                       size_t length) {
    struct peer *peer = context;
    (void)pattern;
    (void)channel;
    (void)length;
    if (mu_sentinel_is_switch(payload, peer->owner->master)) {
        ask_soon(peer->owner);
    }
}

/* What was said before it stood was missed. */
static void on_subscribed(void *context) {
    struct peer *peer = context;
    ask(peer);
}

/* ---- what the owner calls ---- */

static void open_peer(struct mu_sentinel *self, uv_loop_t *loop, size_t index,
                      const struct mu_sentinel_options *options) {
    struct peer *peer = &self->peers[index];
    peer->owner = self;
    peer->index = index;
    struct mu_link_options link = {.address = &self->places.sentinels[index],
                                   .client_name = options->client_name,
                                   .connect_timeout_ms = options->connect_timeout_ms,
                                   .command_timeout_ms = options->command_timeout_ms,
                                   .retry_min_ms = options->retry_min_ms,
                                   .retry_max_ms = options->retry_max_ms,
                                   .reply_bytes = REPLY_BYTES,
                                   .log = options->log,
                                   .context = peer,
                                   .on_connected = on_connected,
                                   .on_down = on_down};
    struct mu_subscriber_options subscriber = {.address = &self->places.sentinels[index],
                                               .client_name = options->client_name,
                                               .connect_timeout_ms = options->connect_timeout_ms,
                                               .command_timeout_ms = options->command_timeout_ms,
                                               .retry_min_ms = options->retry_min_ms,
                                               .retry_max_ms = options->retry_max_ms,
                                               .context = peer,
                                               .on_message = on_message,
                                               .on_up = on_subscribed};
    peer->link = mu_link_create(loop, &link);
    peer->subscriber = mu_subscriber_create(loop, &subscriber);
    mu_subscriber_subscribe(peer->subscriber, "+switch-master");
}

struct mu_sentinel *mu_sentinel_create(uv_loop_t *loop, const struct mu_sentinel_options *options) {
    struct mu_sentinel *self = mu_calloc(1, sizeof *self);
    self->loop = loop;
    self->master = mu_strdup(options->master);
    self->client_name = options->client_name ? mu_strdup(options->client_name) : NULL;
    self->connect_timeout_ms = options->connect_timeout_ms;
    self->command_timeout_ms = options->command_timeout_ms;
    self->log = options->log;
    self->context = options->context;
    self->on_master = options->on_master;
    mu_sentinel_places_copy(&self->places, options->places);
    uv_timer_init(loop, &self->timer);
    self->timer.data = self;
    for (size_t i = 0; i < self->places.count; i++) {
        open_peer(self, loop, i, options);
    }
    uint64_t now = now_ms();
    self->wait_until = now + PATIENCE_MS;
    self->next_poll = now + UNSETTLED_MS;
    schedule(self);
    return self;
}

void mu_sentinel_lost(struct mu_sentinel *self) {
    self->current.doubted = true;
    ask_soon(self);
}

void mu_sentinel_refused(struct mu_sentinel *self, const char *reason) {
    refuse(self, &self->current, reason);
    mu_sentinel_lost(self);
}

void mu_sentinel_fine(struct mu_sentinel *self) {
    self->current.doubted = false;
}

uint64_t mu_sentinel_failover(const struct mu_sentinel *self) {
    return self->current.epoch;
}

static void finished(struct mu_sentinel *self) {
    void (*closed)(void *context) = self->closed;
    void *context = self->closed_context;
    mu_sentinel_places_deinit(&self->places);
    free(self->master);
    free(self->client_name);
    free(self);
    if (closed != NULL) {
        closed(context);
    }
}

static void part_closed(void *context) {
    struct mu_sentinel *self = context;
    if (--self->open_parts == 0) {
        finished(self);
    }
}

static void timer_closed(uv_handle_t *handle) {
    part_closed(handle->data);
}

void mu_sentinel_close(struct mu_sentinel **sentinel, void (*closed)(void *context),
                       void *context) {
    struct mu_sentinel *self = *sentinel;
    *sentinel = NULL;
    self->closing = true;
    mu_probe_end(&self->probe);
    self->closed = closed;
    self->closed_context = context;
    self->open_parts = 1 + 2 * self->places.count;
    for (size_t i = 0; i < self->places.count; i++) {
        mu_subscriber_close(&self->peers[i].subscriber, part_closed, self);
        mu_link_close(&self->peers[i].link, part_closed, self);
    }
    uv_close((uv_handle_t *)&self->timer, timer_closed);
}
