/* reads_instance.c - INSTANCE and INSTANCES.
 *
 * INSTANCE is one batch. INSTANCES lists all names in one command, sorts them, and looks each up,
 * in batches; one that is buried meanwhile is left out.
 *
 * Ways to fail: those of read.h; UNKNOWN_INSTANCE; more than MU_READ_INSTANCES_MAX instances.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "registry/names.h"
#include "registry/read_internal.h"

enum {
    INCARNATION,
    STATE,
    DRAINING,
    STARTED_AT,
    META,
    DRAIN_RATE,
    DRAIN_NOTICE,
    DRAIN_TOLD,
    DRAIN_ROUNDS,
    DRAIN_UNTIL
};

/* Commands for one instance, in this order. */
enum { CONNECTIONS, LEADS, FIELDS, COMMANDS };

struct instances {
    struct mu_names names;
    bool some;            /* one stands in the answer already */
    uint64_t heartbeat;   /* INSTANCE only */
    uint64_t connections; /* of the instance that is being read */
    uint64_t leads;
};

static void free_instances(void *state) {
    struct instances *instances = state;
    if (instances) {
        mu_names_deinit(&instances->names);
        free(instances);
    }
}

static void nothing_more(struct mu_read *self) {
    (void)self;
}

static void ask_instance(struct mu_read *self, const char *id) {
    char key[MU_KEY_SIZE];
    mu_read_send(self, mu_read_key(self, key, "instance:%s:connections", id), "HLEN");
    mu_read_send(self, mu_read_key(self, key, "instance:%s:leads", id), "SCARD");
    mu_read_send(self, mu_read_key(self, key, "instance:%s", id), "HMGET", "incarnation", "state",
                 "draining", "started_at", "meta", "drain_rate", "drain_notice", "drain_told",
                 "drain_rounds", "drain_until");
}

/* How far a paced drain is. */
static void put_drain(struct mu_read *self, const redisReply *fields, const char *key) {
    static const struct {
        const char *name;
        size_t field;
    } numbers[] = {{"rate", DRAIN_RATE},
                   {"notice", DRAIN_NOTICE},
                   {"told", DRAIN_TOLD},
                   {"rounds", DRAIN_ROUNDS},
                   {"until", DRAIN_UNTIL}};
    mu_read_printf(self, ",\"drain\":{");
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        mu_read_printf(self, "%s\"%s\":%" PRIu64, i > 0 ? "," : "", numbers[i].name,
                       mu_read_number(self, mu_read_at(fields, numbers[i].field), key, 0));
    }
    mu_read_put(self, "}", 1);
}

static void put_instance(struct mu_read *self, const char *id, uint64_t heartbeat,
                         const redisReply *fields, const char *key) {
    const struct instances *instances = self->state;
    const redisReply *state = mu_read_at(fields, STATE);
    bool suspect = mu_read_is(state, "suspect");
    if (!suspect && !mu_read_is(state, "up")) {
        mu_read_damaged(self, key, "has a state that is neither up nor suspect");
        return;
    }
    mu_read_printf(self, "{\"instance\":\"%s\",\"incarnation\":", id);
    mu_read_put_id(self, mu_read_at(fields, INCARNATION), key);
    mu_read_printf(self,
                   ",\"state\":\"%s\",\"draining\":%s,\"started_at\":%" PRIu64
                   ",\"last_heartbeat\":%" PRIu64 ",\"connections\":%" PRIu64 ",\"leads\":%" PRIu64
                   ",\"meta\":",
                   suspect ? "suspect" : "up",
                   mu_read_is(mu_read_at(fields, DRAINING), "1") ? "true" : "false",
                   mu_read_number(self, mu_read_at(fields, STARTED_AT), key, 0), heartbeat,
                   instances->connections, instances->leads);
    mu_read_put_object(self, mu_read_at(fields, META), key);
    if (mu_read_at(fields, DRAIN_RATE) != NULL) {
        put_drain(self, fields, key);
    }
    mu_read_put(self, "}", 1);
}

/* Those before FIELDS. */
static void take_number(struct mu_read *self, size_t command, const redisReply *reply,
                        const char *key) {
    struct instances *instances = self->state;
    uint64_t number = mu_read_number(self, reply, key, 0);
    if (command == CONNECTIONS) {
        instances->connections = number;
    } else {
        instances->leads = number;
    }
}

/* ---- INSTANCE ---- */

static void instance_step(struct mu_read *self, const redisReply *reply, const char *key) {
    struct instances *instances = self->state;
    const char *id = self->arguments[0].data;
    if (self->index == 0) {
        instances->heartbeat = mu_read_number(self, reply, key, 0);
    } else if (self->index - 1 != FIELDS) {
        take_number(self, self->index - 1, reply, key);
    } else if (!mu_read_at(reply, INCARNATION)) {
        mu_read_fail(self, MUSTER_UNKNOWN_INSTANCE, "instance '%s' is not registered", id);
    } else {
        put_instance(self, id, instances->heartbeat, reply, key);
    }
}

void mu_read_instance(struct mu_read *self) {
    char key[MU_KEY_SIZE];
    const char *id = self->arguments[0].data;
    self->state = mu_calloc(1, sizeof(struct instances));
    self->free_state = free_instances;
    self->step = instance_step;
    self->done = nothing_more;
    mu_read_send(self, mu_read_key(self, key, "instances"), "ZSCORE", id);
    ask_instance(self, id);
}

/* ---- INSTANCES ---- */

static void instances_step(struct mu_read *self, const redisReply *reply, const char *key) {
    struct instances *instances = self->state;
    size_t command = self->index % COMMANDS;
    if (command != FIELDS) {
        take_number(self, command, reply, key);
        return;
    }
    const struct mu_named *named = &instances->names.items[instances->names.seen++];
    if (!mu_read_at(reply, INCARNATION)) {
        return; /* buried meanwhile */
    }
    mu_read_put(self, ",", instances->some);
    put_instance(self, named->id, named->number, reply, key);
    instances->some = true;
}

static void next_batch(struct mu_read *self) {
    struct instances *instances = self->state;
    self->step = instances_step;
    if (!mu_names_batch(self, &instances->names, ask_instance)) {
        mu_read_put(self, "]", 1);
    }
}

static void list_step(struct mu_read *self, const redisReply *reply, const char *key) {
    struct instances *instances = self->state;
    mu_names_take_instances(self, &instances->names, reply, key);
}

void mu_read_instances(struct mu_read *self) {
    self->state = mu_calloc(1, sizeof(struct instances));
    self->free_state = free_instances;
    self->step = list_step;
    self->done = next_batch;
    mu_read_put(self, "[", 1);
    mu_names_ask_instances(self);
}
