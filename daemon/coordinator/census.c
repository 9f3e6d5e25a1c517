#include "coordinator/census.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/ids.h"

#define EVERY_MS 2000
#define INSTANCES_AT_ONCE 64
#define GHOSTS_AT_ONCE 64

/* Of what a count is a part. */
enum sum { CONNECTIONS, GHOST_CONNECTIONS, SUMS };

struct mu_census {
    struct mu_fence *fence;
    const struct mu_detector *detector;
    struct mu_census_numbers numbers;
    bool active;
    uint64_t next_at;    /* boottime ms */
    size_t first;        /* the instance that is asked about next, by its place in the detector */
    bool last;           /* no instance comes after those that are asked about */
    size_t due[SUMS];    /* answers that a sum still waits for */
    uint64_t sums[SUMS]; /* so far */
};

struct mu_census *mu_census_create(struct mu_fence *fence, const struct mu_detector *detector) {
    struct mu_census *self = mu_calloc(1, sizeof *self);
    self->fence = fence;
    self->detector = detector;
    return self;
}

void mu_census_destroy(struct mu_census **census) {
    free(*census);
    *census = NULL;
}

void mu_census_start(struct mu_census *self) {
    self->active = true;
    self->next_at = 0;
}

void mu_census_stop(struct mu_census *self) {
    *self = (struct mu_census){.fence = self->fence, .detector = self->detector};
}

void mu_census_numbers(const struct mu_census *self, struct mu_census_numbers *out) {
    *out = self->numbers;
}

/* ---- one number ---- */

static void on_number(void *context, const void *note, const redisReply *reply) {
    struct mu_census *self = context;
    size_t offset = 0;
    memcpy(&offset, note, sizeof offset);
    if (reply != NULL && reply->type == REDIS_REPLY_INTEGER && reply->integer >= 0) {
        uint64_t value = (uint64_t)reply->integer;
        memcpy((char *)&self->numbers + offset, &value, sizeof value);
    }
}

static void ask_number(struct mu_census *self, const char *command, const char *name,
                       size_t offset) {
    char key[MU_KEY_SIZE];
    mu_key(key, mu_fence_name_space(self->fence), "%s", name);
    /* Not sent: the next round comes. The same below. */
    (void)!mu_fence_read(self->fence, 2, (const char *const[]){command, key}, on_number, self,
                         (struct mu_note){&offset, sizeof offset});
}

/* ---- sums ---- */

static void publish(struct mu_census *self, enum sum sum) {
    if (sum == GHOST_CONNECTIONS) {
        self->numbers.ghost_connections = self->sums[sum];
    } else if (self->last) {
        self->numbers.connections = self->sums[sum];
        self->first = 0;
    } else {
        return; /* the other instances come with the next round */
    }
    self->sums[sum] = 0;
}

static void on_part(void *context, const void *note, const redisReply *reply) {
    struct mu_census *self = context;
    enum sum sum = CONNECTIONS;
    memcpy(&sum, note, sizeof sum);
    if (reply != NULL && reply->type == REDIS_REPLY_INTEGER && reply->integer > 0) {
        /* A ghost has a field `#reason` beside its records. */
        self->sums[sum] += (uint64_t)reply->integer - (sum == GHOST_CONNECTIONS ? 1 : 0);
    }
    if (--self->due[sum] == 0) {
        publish(self, sum);
    }
}

static void ask_part(struct mu_census *self, enum sum sum, const char *key) {
    if (mu_fence_read(self->fence, 2, (const char *const[]){"HLEN", key}, on_part, self,
                      (struct mu_note){&sum, sizeof sum})) {
        self->due[sum]++;
    }
}

struct turn {
    struct mu_census *census;
    size_t index;
};

static void ask_instance(void *context, const struct mu_detector_instance *instance) {
    struct turn *turn = context;
    const struct mu_census *self = turn->census;
    size_t index = turn->index++;
    if (index >= self->first && index < self->first + INSTANCES_AT_ONCE) {
        char key[MU_KEY_SIZE];
        mu_key(key, mu_fence_name_space(self->fence), "instance:%s:connections",
               instance->instance);
        ask_part(turn->census, CONNECTIONS, key);
    }
}

static void ask_connections(struct mu_census *self) {
    struct turn turn = {.census = self};
    if (self->due[CONNECTIONS] > 0) {
        return; /* the last ones are slow */
    }
    mu_detector_each(self->detector, ask_instance, &turn);
    self->first += INSTANCES_AT_ONCE;
    self->last = self->first >= turn.index;
    if (self->due[CONNECTIONS] == 0) {
        publish(self, CONNECTIONS); /* there is no instance */
    }
}

static void on_ghosts(void *context, const void *note, const redisReply *reply) {
    struct mu_census *self = context;
    (void)note;
    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY || self->due[GHOST_CONNECTIONS] > 0) {
        return;
    }
    for (size_t i = 0; i < reply->elements; i++) {
        const redisReply *ghost = reply->element[i];
        if (ghost->type == REDIS_REPLY_STRING && strlen(ghost->str) < (size_t)2 * MU_ID_SIZE) {
            char key[MU_KEY_SIZE];
            mu_key(key, mu_fence_name_space(self->fence), "ghosts:%s", ghost->str);
            ask_part(self, GHOST_CONNECTIONS, key);
        }
    }
    if (self->due[GHOST_CONNECTIONS] == 0) {
        publish(self, GHOST_CONNECTIONS);
    }
}

static void ask_ghosts(struct mu_census *self) {
    char key[MU_KEY_SIZE];
    char end[16];
    mu_key(key, mu_fence_name_space(self->fence), "ghosts");
    snprintf(end, sizeof end, "%d", GHOSTS_AT_ONCE - 1);
    (void)!mu_fence_read(self->fence, 4, (const char *const[]){"ZRANGE", key, "0", end}, on_ghosts,
                         self, (struct mu_note){0});
}

/* ---- memory ---- */

static uint64_t number_after(const char *text, const char *name) {
    const char *at = strstr(text, name);
    return at != NULL ? strtoull(at + strlen(name), NULL, 10) : 0;
}

static void on_memory(void *context, const void *note, const redisReply *reply) {
    struct mu_census *self = context;
    (void)note;
    if (reply != NULL && reply->type == REDIS_REPLY_STRING) {
        self->numbers.redis_used_bytes = number_after(reply->str, "\nused_memory:");
        self->numbers.redis_max_bytes = number_after(reply->str, "\nmaxmemory:");
    }
}

void mu_census_tick(struct mu_census *self, uint64_t now) {
    if (!self->active || now < self->next_at) {
        return;
    }
    self->next_at = now + EVERY_MS;
#define ASK(name, command, key)                                                                    \
    ask_number(self, command, key, offsetof(struct mu_census_numbers, name));
    MU_CENSUS_TABLE(ASK)
#undef ASK
    ask_ghosts(self);
    ask_connections(self);
    (void)!mu_fence_read(self->fence, 2, (const char *const[]){"INFO", "memory"}, on_memory, self,
                         (struct mu_note){0});
}
