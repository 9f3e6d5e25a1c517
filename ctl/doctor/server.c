/* server.c - Redis as it is set up and as it fares: version, role, memory, disk, limits. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doctor/doctor.h"
#include "redis/key_events.h"

#define MAJOR_NEEDED 7
#define LAG_MAX_S 10
#define BEHIND_MAX (16 * 1024 * 1024) /* bytes that a replica may be behind */
#define HIGH_PERCENT 80
#define FULL_PERCENT 95
#define BUFFER_LEAST                                                                               \
    (8 * 1024 * 1024) /* an event has some KiB, and a failover may bring thousands */
#define BUFFER_LEAST_SOFT (1024 * 1024)
#define BUSY_MAX_MS 60000

void mu_check_version(struct mu_doctor *doctor) {
    char version[32];
    if (!mu_doctor_info(doctor, "redis_version", version, sizeof version)) {
        return;
    }
    if (strtol(version, NULL, 10) < MAJOR_NEEDED) {
        mu_doctor_found(doctor, "REDIS_OLD", NULL, "Redis is of version %s", version);
    }
    mu_doctor_saw(doctor, "Redis %s", version);
}

void mu_check_role(struct mu_doctor *doctor) {
    char role[16];
    char host[128] = "";
    char state[16];
    if (!mu_doctor_info(doctor, "role", role, sizeof role)) {
        return;
    }
    mu_doctor_saw(doctor, "%s", role);
    if (strcmp(role, "slave") != 0 || !mu_doctor_info(doctor, "master_host", host, sizeof host) ||
        !mu_doctor_info(doctor, "master_link_status", state, sizeof state)) {
        return;
    }
    int64_t port = mu_doctor_info_or(doctor, "master_port", 0);
    char master[160];
    snprintf(master, sizeof master, "%s -p %" PRId64, host, port);
    mu_doctor_found(doctor, "REDIS_REPLICA", master,
                    "this Redis is a replica of %s:%" PRId64 " (link %s)", host, port, state);
    if (strcmp(state, "up") != 0) {
        mu_doctor_found(doctor, "MASTER_AWAY", NULL, "its link to the master is %s", state);
    }
}

/* ---- replication ---- */

struct replicas {
    struct mu_doctor *doctor;
    int64_t count;
    char late[128]; /* address of the first that is behind; "": none */
    char how[128];
};

/* The value of `name=` in "ip=…,port=…,state=online,offset=…,lag=…"; "" when there is none. */
static const char *part(const char *line, const char *name, char out[64]) {
    const char *at = strstr(line, name);
    out[0] = '\0';
    if (at != NULL) {
        at += strlen(name);
        snprintf(out, 64, "%.*s", (int)strcspn(at, ",\r\n"), at);
    }
    return out;
}

static bool nobody_is_late(void *context) {
    struct replicas *replicas = context;
    redisReply *reply = mu_ask(replicas->doctor->ctl, "INFO replication");
    const char *info = mu_reply_text(reply);
    const char *at = strstr(info, "master_repl_offset:");
    int64_t offset = at != NULL ? strtoll(at + strlen("master_repl_offset:"), NULL, 10) : 0;
    replicas->late[0] = '\0';
    for (const char *line = info; (line = strstr(line, "\nslave")) != NULL; line++) {
        char ip[64], port[64], state[64], lag[64], reached[64];
        if (strchr("0123456789", line[6]) == NULL || line[6] == '\0') {
            continue;
        }
        int64_t behind = offset - strtoll(part(line, "offset=", reached), NULL, 10);
        if (strcmp(part(line, "state=", state), "online") != 0 ||
            strtol(part(line, "lag=", lag), NULL, 10) > LAG_MAX_S || behind > BEHIND_MAX) {
            snprintf(replicas->late, sizeof replicas->late, "%.60s:%.6s", part(line, "ip=", ip),
                     part(line, "port=", port));
            snprintf(replicas->how, sizeof replicas->how,
                     "it is %.20s, heard of %.10s s ago, %" PRId64 " bytes behind", state, lag,
                     behind);
            break;
        }
    }
    freeReplyObject(reply);
    return replicas->late[0] == '\0';
}

void mu_check_replication(struct mu_doctor *doctor) {
    struct replicas replicas = {.doctor = doctor};
    char role[16];
    int64_t wanted = 0;
    bool sentinels = doctor->ctl->places.count > 0;
    if (!mu_doctor_info(doctor, "role", role, sizeof role) ||
        !mu_doctor_info_number(doctor, "connected_slaves", &replicas.count) ||
        !mu_doctor_setting_number(doctor, "min-replicas-to-write", &wanted)) {
        return;
    }
    if (strcmp(role, "master") != 0) {
        mu_doctor_need_not(doctor, "it is no master");
        return;
    }
    int64_t good = mu_doctor_info_or(doctor, "min_slaves_good_slaves", wanted);
    if (good < wanted) {
        mu_doctor_found(doctor, "REPLICAS_TOO_FEW", NULL,
                        "%" PRId64 " replicas are near enough, min-replicas-to-write wants "
                        "%" PRId64,
                        good, wanted);
    }
    if (sentinels && replicas.count == 0) {
        mu_doctor_found(doctor, "REPLICA_MISSING", NULL, "the master has no replica");
    }
    if (sentinels && wanted == 0) {
        mu_doctor_found(doctor, "MASTER_UNFENCED", NULL, "min-replicas-to-write is 0");
    }
    if (replicas.count > 0 && !mu_doctor_settles(doctor, nobody_is_late, &replicas)) {
        mu_doctor_found(doctor, "REPLICA_LAGS", replicas.late, "replica %s: %s", replicas.late,
                        replicas.how);
    }
    if (replicas.count == 0 && !sentinels) {
        mu_doctor_need_not(doctor, "no replicas, and no sentinels that would want one");
    } else {
        mu_doctor_saw(doctor, "%" PRId64 " replicas, none behind", replicas.count);
    }
}

void mu_check_mode(struct mu_doctor *doctor) {
    char mode[32];
    if (!mu_doctor_info(doctor, "redis_mode", mode, sizeof mode)) {
        return;
    }
    if (strcmp(mode, "cluster") == 0) {
        mu_doctor_found(doctor, "REDIS_CLUSTER", NULL, "Redis runs in cluster mode");
    }
    mu_doctor_saw(doctor, "%s", mode);
}

/* ---- settings ---- */

void mu_check_key_events(struct mu_doctor *doctor) {
    char merged[MU_KEY_EVENTS_SIZE];
    const char *present = mu_doctor_setting(doctor, "notify-keyspace-events");
    if (present == NULL) {
        return;
    }
    if (mu_key_events_merge(present, merged)) {
        mu_doctor_found(doctor, "KEY_EVENTS_OFF", merged,
                        "notify-keyspace-events is \"%s\", and lacks some of " MU_KEY_EVENTS,
                        present);
    }
    mu_doctor_saw(doctor, "notify-keyspace-events is %s", present);
}

void mu_check_eviction(struct mu_doctor *doctor) {
    int64_t most = 0;
    const char *policy = mu_doctor_setting(doctor, "maxmemory-policy");
    if (policy == NULL || !mu_doctor_setting_number(doctor, "maxmemory", &most)) {
        return;
    }
    if (strcmp(policy, "noeviction") != 0) {
        mu_doctor_found(doctor, most > 0 ? "MAY_EVICT" : "WOULD_EVICT", NULL,
                        "maxmemory-policy is %s, with maxmemory %" PRId64, policy, most);
    }
    mu_doctor_saw(doctor, "maxmemory-policy is %s", policy);
}

void mu_check_memory(struct mu_doctor *doctor) {
    int64_t used = 0;
    int64_t most = 0;
    char twice[32];
    if (!mu_doctor_info_number(doctor, "used_memory", &used) ||
        !mu_doctor_setting_number(doctor, "maxmemory", &most)) {
        return;
    }
    if (most <= 0) {
        mu_doctor_saw(doctor, "%" PRId64 " MiB used, no maxmemory", used >> 20);
        return;
    }
    int64_t percent = (int64_t)((double)used * 100.0 / (double)most);
    snprintf(twice, sizeof twice, "%" PRId64, most * 2);
    if (percent >= HIGH_PERCENT) {
        mu_doctor_found(doctor, percent >= FULL_PERCENT ? "MEMORY_FULL" : "MEMORY_HIGH", twice,
                        "%" PRId64 "%% of maxmemory (%" PRId64 " bytes) are used", percent, most);
    }
    mu_doctor_saw(doctor, "%" PRId64 "%% of maxmemory are used", percent);
}

void mu_check_persistence(struct mu_doctor *doctor) {
    char status[3][16];
    static const char *const names[] = {"rdb_last_bgsave_status", "aof_last_write_status",
                                        "aof_last_bgrewrite_status"};
    const char *append = mu_doctor_setting(doctor, "appendonly");
    const char *save = append != NULL ? mu_doctor_setting(doctor, "save") : NULL;
    if (save == NULL) {
        return;
    }
    for (size_t i = 0; i < 3; i++) {
        if (!mu_doctor_info(doctor, names[i], status[i], sizeof status[i])) {
            return;
        }
    }
    bool appends = strcmp(append, "yes") == 0;
    if (!appends && save[0] == '\0') {
        mu_doctor_found(doctor, "NOT_PERSISTED", NULL, "appendonly is off and save is empty");
    }
    if (strcmp(status[0], "ok") != 0) {
        mu_doctor_found(doctor, "SNAPSHOT_FAILED", NULL, "the last snapshot failed");
    }
    if (appends && (strcmp(status[1], "ok") != 0 || strcmp(status[2], "ok") != 0)) {
        mu_doctor_found(doctor, "AOF_FAILED", NULL, "the last %s of the append-only file failed",
                        strcmp(status[1], "ok") != 0 ? "write" : "rewrite");
    }
    mu_doctor_saw(doctor, "appendonly %s, save \"%s\"", append, save);
}

void mu_check_clients(struct mu_doctor *doctor) {
    int64_t now = 0;
    int64_t most = 0;
    char twice[32];
    if (!mu_doctor_info_number(doctor, "connected_clients", &now) ||
        !mu_doctor_setting_number(doctor, "maxclients", &most)) {
        return;
    }
    if (most > 0 && now * 100 >= most * HIGH_PERCENT) {
        snprintf(twice, sizeof twice, "%" PRId64, most * 2);
        mu_doctor_found(doctor, "CLIENTS_NEAR_MAX", twice, "%" PRId64 " of %" PRId64 " clients",
                        now, most);
    }
    mu_doctor_saw(doctor, "%" PRId64 " of %" PRId64 " clients", now, most);
}

void mu_check_buffers(struct mu_doctor *doctor) {
    const char *limits = mu_doctor_setting(doctor, "client-output-buffer-limit");
    const char *at = limits != NULL ? strstr(limits, "pubsub ") : NULL;
    char *end = NULL;
    if (limits == NULL) {
        return;
    }
    if (at == NULL) {
        mu_doctor_cannot(doctor, "client-output-buffer-limit does not name pubsub");
        return;
    }
    int64_t hard = strtoll(at + strlen("pubsub "), &end, 10);
    int64_t soft = strtoll(end, NULL, 10);
    if ((hard > 0 && hard < BUFFER_LEAST) || (soft > 0 && soft < BUFFER_LEAST_SOFT)) {
        mu_doctor_found(doctor, "SUBSCRIBER_BUFFER", NULL,
                        "client-output-buffer-limit is \"%s\": %" PRId64 " bytes at most, "
                        "%" PRId64 " for a while",
                        at, hard, soft);
    }
    mu_doctor_saw(doctor, "%s", at);
}

void mu_check_timeouts(struct mu_doctor *doctor) {
    int64_t idle = 0;
    int64_t alive = 0;
    if (!mu_doctor_setting_number(doctor, "timeout", &idle) ||
        !mu_doctor_setting_number(doctor, "tcp-keepalive", &alive)) {
        return;
    }
    if (idle > 0) {
        mu_doctor_found(doctor, "IDLE_CLOSED", NULL, "timeout is %" PRId64 " s", idle);
    }
    if (alive == 0) {
        mu_doctor_found(doctor, "KEEPALIVE_OFF", NULL, "tcp-keepalive is 0");
    }
    mu_doctor_saw(doctor, "timeout %" PRId64 ", tcp-keepalive %" PRId64, idle, alive);
}

void mu_check_busy_limit(struct mu_doctor *doctor) {
    int64_t limit = 0;
    if (!mu_doctor_setting_number(doctor, "busy-reply-threshold", &limit)) {
        return;
    }
    if (limit <= 0 || limit > BUSY_MAX_MS) {
        mu_doctor_found(doctor, "BUSY_LIMIT", NULL, "busy-reply-threshold is %" PRId64 " ms%s",
                        limit, limit <= 0 ? ": never" : "");
    }
    mu_doctor_saw(doctor, "busy-reply-threshold is %" PRId64 " ms", limit);
}
