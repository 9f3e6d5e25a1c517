/* reads_status.c - STATUS: how Redis, the coordinator, the daemons and the instances stand.
 *
 * One batch of single keys, whose replies come in the order in which the answer names them; then
 * the state and the number of connections of every instance, in batches.
 *
 * `{ns}:daemons` is a hash: id of a daemon -> a JSON object of its own making (address, version,
 * at), which is given back with the id put before. `{ns}:brake` exists while the brake is engaged.
 *
 * Ways to fail: those of read.h; more than MU_READ_INSTANCES_MAX instances.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "registry/names.h"
#include "registry/read_internal.h"

#define DAEMONS_MAX "1000" /* asked for; a small hash may give a few more */

struct status {
    struct mu_names instances;
    uint64_t up, suspect, draining;
    uint64_t sessions, connections, ghosts;
    bool brake;
};

static void free_status(void *state) {
    struct status *status = state;
    if (status) {
        mu_names_deinit(&status->instances);
        free(status);
    }
}

/* ---- parts of the answer ---- */

/* The value of `name` in a text of INFO; length 0 when it is not there. */
static struct muster_text info_value(const char *info, const char *name) {
    size_t length = strlen(name);
    const char *line = info;
    while (line) {
        line += *line == '\n';
        if (strncmp(line, name, length) == 0 && line[length] == ':') {
            const char *value = line + length + 1;
            return (struct muster_text){value, strcspn(value, "\r\n")};
        }
        line = strchr(line, '\n');
    }
    return (struct muster_text){"", 0};
}

static void put_text(struct mu_read *self, const char *data, size_t length) {
    if (!mu_buffer_append_json(&self->out, data, length)) {
        mu_read_fail(self, MUSTER_TOO_LARGE, "the answer exceeds its bound");
    }
}

static void put_redis(struct mu_read *self, const char *info) {
    static const struct {
        const char *name;
        const char *as;
        bool number;
    } fields[] = {
        {"redis_version", "version", false},
        {"run_id", "run_id", false},
        {"role", "role", false},
        {"uptime_in_seconds", "uptime_s", true},
        {"connected_clients", "clients", true},
        {"used_memory", "memory", true},
        {"maxmemory", "memory_max", true},
        {"maxmemory_policy", "memory_policy", false},
    };
    mu_read_printf(self, "{\"namespace\":\"%s\",\"version\":", self->name_space);
    put_text(self, self->version, strlen(self->version));
    mu_read_printf(self, ",\"redis\":{");
    for (size_t i = 0, some = 0; i < sizeof fields / sizeof *fields; i++) {
        struct muster_text value = info_value(info, fields[i].name);
        uint64_t number = 0;
        if (value.length == 0 ||
            (fields[i].number && !mu_whole_number(value.data, value.length, &number))) {
            continue; /* a Redis that does not say it */
        }
        mu_read_printf(self, "%s\"%s\":", some++ > 0 ? "," : "", fields[i].as);
        if (fields[i].number) {
            mu_read_printf(self, "%" PRIu64, number);
        } else {
            put_text(self, value.data, value.length);
        }
    }
    mu_read_put(self, "}", 1);
}

/* `<id>/<nonce>/<epoch>/<renewals>/<advertised address>` */
static void put_coordinator(struct mu_read *self, const redisReply *reply, const char *key) {
    const char *lease = mu_read_text(reply);
    mu_read_printf(self, ",\"coordinator\":");
    if (!lease) {
        mu_read_put(self, "null", 4);
        return;
    }
    const char *slash = strchr(lease, '/');
    const char *address = lease;
    for (size_t i = 0; address && i < 4; i++) {
        address = strchr(address, '/');
        address += address != NULL;
    }
    if (!address || !mu_id_valid(lease, (size_t)(slash - lease))) {
        mu_read_damaged(self, key, "holds something that is no lease");
        return;
    }
    mu_read_printf(self, "{\"id\":\"%.*s\",\"address\":", (int)(slash - lease), lease);
    put_text(self, address, strlen(address));
    mu_read_put(self, "}", 1);
}

static void put_daemons(struct mu_read *self, const redisReply *list, const char *key) {
    mu_read_printf(self, ",\"daemons\":[");
    for (size_t i = 0; mu_read_at(list, i + 1); i += 2) {
        const redisReply *id = mu_read_at(list, i);
        const redisReply *own = mu_read_at(list, i + 1);
        if (!mu_read_text(id) || !mu_id_valid(id->str, (size_t)id->len) || !mu_read_text(own) ||
            own->str[0] != '{' || !mu_object_is_closed(own->str, (size_t)own->len)) {
            mu_read_damaged(self, key, "holds something that is no daemon");
            return;
        }
        bool empty = own->str[1 + strspn(own->str + 1, " \t\r\n")] == '}';
        mu_read_printf(self, "%s{\"id\":\"%s\"%s", i > 0 ? "," : "", id->str, empty ? "" : ",");
        mu_read_put(self, own->str + 1, (size_t)own->len - 1);
    }
    mu_read_put(self, "]", 1);
}

static void put_rest(struct mu_read *self) {
    const struct status *status = self->state;
    mu_read_printf(self,
                   ",\"instances\":{\"up\":%" PRIu64 ",\"suspect\":%" PRIu64
                   ",\"draining\":%" PRIu64 "}",
                   status->up, status->suspect, status->draining);
    mu_read_printf(self,
                   ",\"sessions\":%" PRIu64 ",\"connections\":%" PRIu64 ",\"ghosts\":%" PRIu64
                   ",\"brake\":%s}",
                   status->sessions, status->connections, status->ghosts,
                   status->brake ? "true" : "false");
}

/* ---- stages ---- */

/* The first batch, in the order of the commands. */
enum { INFO, GENERATION, EPOCH, COORDINATOR, DAEMONS, SESSIONS, GHOSTS, BRAKE, INSTANCES };

static void first_step(struct mu_read *self, const redisReply *reply, const char *key) {
    struct status *status = self->state;
    switch (self->index) {
    case INFO:
        put_redis(self, mu_read_text(reply));
        break;
    case GENERATION:
        mu_read_printf(self, ",\"generation\":");
        mu_read_put_id(self, reply, key);
        break;
    case EPOCH:
        mu_read_printf(self, ",\"epoch\":%" PRIu64, mu_read_number(self, reply, key, 0));
        break;
    case COORDINATOR:
        put_coordinator(self, reply, key);
        break;
    case DAEMONS:
        put_daemons(self, mu_read_at(reply, 1), key);
        break;
    case SESSIONS:
        status->sessions = mu_read_number(self, reply, key, 0);
        break;
    case GHOSTS:
        status->ghosts = mu_read_number(self, reply, key, 0);
        break;
    case BRAKE:
        status->brake = mu_read_number(self, reply, key, 0) != 0;
        break;
    default:
        mu_names_take_instances(self, &status->instances, reply, key);
        break;
    }
}

static void instance_step(struct mu_read *self, const redisReply *reply, const char *key) {
    struct status *status = self->state;
    if (self->index % 2 == 1) {
        status->connections += mu_read_number(self, reply, key, 0);
        return;
    }
    const redisReply *state = mu_read_at(reply, 0);
    status->up += mu_read_is(state, "up");
    status->suspect += mu_read_is(state, "suspect");
    status->draining += mu_read_is(mu_read_at(reply, 1), "1");
}

static void ask_instance(struct mu_read *self, const char *id) {
    char key[MU_KEY_SIZE];
    mu_read_send(self, mu_read_key(self, key, "instance:%s", id), "HMGET", "state", "draining");
    mu_read_send(self, mu_read_key(self, key, "instance:%s:connections", id), "HLEN");
}

static void next_batch(struct mu_read *self) {
    struct status *status = self->state;
    self->step = instance_step;
    if (!mu_names_batch(self, &status->instances, ask_instance)) {
        put_rest(self);
    }
}

void mu_read_status(struct mu_read *self) {
    char key[MU_KEY_SIZE];
    self->state = mu_calloc(1, sizeof(struct status));
    self->free_state = free_status;
    self->step = first_step;
    self->done = next_batch;
    mu_read_send(self, "server", "INFO", "clients", "memory", "replication");
    mu_generation_ask(self);
    mu_read_send(self, mu_read_key(self, key, "epoch"), "GET");
    mu_read_send(self, mu_read_key(self, key, "coordinator"), "GET");
    mu_read_send(self, mu_read_key(self, key, "daemons"), "HSCAN", "0", "COUNT", DAEMONS_MAX);
    mu_read_send(self, mu_read_key(self, key, "sessions"), "ZCARD");
    mu_read_send(self, mu_read_key(self, key, "ghosts"), "ZCARD");
    mu_read_send(self, mu_read_key(self, key, "brake"), "EXISTS");
    mu_names_ask_instances(self);
}
