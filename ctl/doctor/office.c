/* office.c - who coordinates, with which library, over which data. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doctor/doctor.h"
#include "lease.h"
#include "redis/library.h"
#include "table.h"

#define DAEMONS_MAX 1000
#define SILENT_MS 8000 /* they write every two seconds, and are struck off after ten */

void mu_check_library(struct mu_doctor *doctor) {
    redisReply *reply = mu_ask(doctor->ctl, "FCALL muster_version 1 {%s}", doctor->ctl->name_space);
    if (reply != NULL && reply->type == REDIS_REPLY_ERROR &&
        strstr(reply->str, "Function not found") != NULL) {
        mu_doctor_found(doctor, "LIBRARY_MISSING", NULL,
                        "the functions library is not loaded in Redis");
    } else if (!mu_doctor_refused(doctor, reply)) {
        json_t *json = json_loads(mu_reply_text(reply), 0, NULL);
        json_int_t version = 0;
        json_int_t reader = 0;
        if (json_unpack(json, "{s:I,s:I}", "version", &version, "min_reader", &reader) != 0) {
            mu_doctor_cannot(doctor, "the library does not tell its version");
        } else if (reader > MU_LIBRARY_VERSION) {
            mu_doctor_found(doctor, "LIBRARY_NEW", NULL,
                            "the library is of version %lld and wants programs of %lld or later; "
                            "this musterctl is of %d",
                            (long long)version, (long long)reader, MU_LIBRARY_VERSION);
        } else if (version < MU_LIBRARY_VERSION) {
            mu_doctor_found(doctor, "LIBRARY_OLD", NULL,
                            "the library is of version %lld, this musterctl of %d",
                            (long long)version, MU_LIBRARY_VERSION);
        }
        mu_doctor_saw(doctor, "version %lld, ours is %d", (long long)version, MU_LIBRARY_VERSION);
        json_decref(json);
    }
    freeReplyObject(reply);
}

/* What a coordinator confirmed is known to Redis's library alone; it does so for one run of Redis,
 * which it writes down, perhaps with its promotion behind a dot. */
void mu_check_generation(struct mu_doctor *doctor) {
    char run[64];
    if (!mu_doctor_info(doctor, "run_id", run, sizeof run)) {
        return;
    }
    redisReply *reply =
        mu_ask(doctor->ctl, "HMGET {%s}:config generation run", doctor->ctl->name_space);
    if (!mu_doctor_refused(doctor, reply)) {
        const char *generation = mu_reply_text(mu_reply_at(reply, 0));
        const char *confirmed = mu_reply_text(mu_reply_at(reply, 1));
        size_t length = strlen(run);
        if (generation[0] == '\0') {
            mu_doctor_found(doctor, "NO_GENERATION", NULL, "namespace '%s' has no generation",
                            doctor->ctl->name_space);
        } else if (strncmp(run, confirmed, length) != 0 ||
                   (confirmed[length] != '\0' && confirmed[length] != '.')) {
            mu_doctor_found(doctor, "NOT_CONFIRMED", NULL,
                            "generation %s was confirmed for another run of Redis", generation);
        }
        mu_doctor_saw(doctor, "generation %s, confirmed", generation);
    }
    freeReplyObject(reply);
}

/* ---- the lease ---- */

struct lease_look {
    struct mu_doctor *doctor;
    char first[512]; /* as it was at first; "": none */
    char last[512];
    int64_t left_ms; /* of its time to live; below 0: it has none */
};

static void read_lease(struct lease_look *look) {
    const char *ns = look->doctor->ctl->name_space;
    redisReply *value = mu_ask(look->doctor->ctl, "GET {%s}:coordinator", ns);
    redisReply *left = mu_ask(look->doctor->ctl, "PTTL {%s}:coordinator", ns);
    if (!mu_doctor_refused(look->doctor, value)) {
        snprintf(look->last, sizeof look->last, "%s", mu_reply_text(value));
    }
    look->left_ms = mu_reply_number(left, -1);
    freeReplyObject(value);
    freeReplyObject(left);
}

static bool is_renewed(void *context) {
    struct lease_look *look = context;
    read_lease(look);
    return look->last[0] != '\0' && strcmp(look->first, look->last) != 0;
}

static void judge_lease(struct mu_doctor *doctor, const struct lease_look *look, bool renewed,
                        int64_t epoch) {
    struct mu_ctl_lease lease;
    const char *wrong = NULL;
    bool stands = look->last[0] != '\0' && !renewed;
    if (look->last[0] == '\0') {
        doctor->idle = true;
        mu_doctor_found(doctor, "NO_COORDINATOR", NULL, "nobody holds the lease");
        return;
    }
    if (!mu_ctl_lease_parse(look->last, strlen(look->last), &lease, &wrong)) {
        doctor->idle = true;
        mu_doctor_found(doctor, "LEASE_DAMAGED", NULL, "the lease cannot be read: %s", wrong);
        return;
    }
    if (stands &&
        (look->left_ms < 0 || doctor->config->coordinator.renew_ms + 1000 < doctor->patience_ms)) {
        doctor->idle = true;
        mu_doctor_found(doctor, "LEASE_STANDS", NULL,
                        "'%.*s' did not renew its lease within %.1f s%s", (int)lease.id_length,
                        lease.id, (double)doctor->patience_ms / 1000.0,
                        look->left_ms < 0 ? ", and it never ends" : "");
    }
    if (epoch < (int64_t)lease.epoch) {
        mu_doctor_found(doctor, "EPOCH_BEHIND", NULL,
                        "the key epoch is %" PRId64 ", the epoch of the lease %" PRIu64, epoch,
                        lease.epoch);
    }
    mu_doctor_saw(doctor, "held by '%.*s', epoch %" PRIu64 ", for %" PRId64 " ms more%s",
                  (int)lease.id_length, lease.id, lease.epoch, look->left_ms,
                  stands ? "; whether it is renewed takes a longer --patience" : ", renewed");
}

void mu_check_lease(struct mu_doctor *doctor) {
    struct lease_look look = {.doctor = doctor};
    read_lease(&look);
    snprintf(look.first, sizeof look.first, "%s", look.last);
    bool renewed = mu_doctor_settles(doctor, is_renewed, &look);
    redisReply *epoch = mu_ask(doctor->ctl, "GET {%s}:epoch", doctor->ctl->name_space);
    if (!mu_doctor_refused(doctor, epoch)) {
        judge_lease(doctor, &look, renewed, mu_reply_number(epoch, 0));
    }
    freeReplyObject(epoch);
}

/* ---- daemons ---- */

static void look_at_daemon(struct mu_doctor *doctor, const char *id, const char *json,
                           int64_t now) {
    json_t *entry = json_loads(json, 0, NULL);
    const char *version = json_string_value(json_object_get(entry, "version"));
    int64_t at = json_integer_value(json_object_get(entry, "at"));
    if (now - at > SILENT_MS) {
        mu_doctor_found(doctor, "DAEMON_SILENT", id, "daemon '%s' wrote last %.1f s ago", id,
                        (double)(now - at) / 1000.0);
    }
    if (version == NULL || strcmp(version, MUSTER_VERSION) != 0) {
        mu_doctor_found(doctor, "DAEMON_VERSION", id,
                        "daemon '%s' is of version %s, this musterctl of " MUSTER_VERSION, id,
                        version != NULL ? version : "unknown");
    }
    json_decref(entry);
}

struct roster {
    struct mu_doctor *doctor;
    redisReply *entries;
    int64_t now;
};

/* The coordinator strikes off who is gone; until then it may be only slow. */
static bool all_write(void *context) {
    struct roster *roster = context;
    bool fresh = true;
    freeReplyObject(roster->entries);
    roster->now = mu_ask_now(roster->doctor->ctl);
    roster->entries =
        mu_ask(roster->doctor->ctl, "HGETALL {%s}:daemons", roster->doctor->ctl->name_space);
    for (size_t i = 1; i < mu_reply_count(roster->entries); i += 2) {
        json_t *entry = json_loads(mu_reply_text(roster->entries->element[i]), 0, NULL);
        fresh =
            fresh && roster->now - json_integer_value(json_object_get(entry, "at")) <= SILENT_MS;
        json_decref(entry);
    }
    return fresh;
}

void mu_check_daemons(struct mu_doctor *doctor) {
    struct roster roster = {.doctor = doctor};
    redisReply *size = mu_ask(doctor->ctl, "HLEN {%s}:daemons", doctor->ctl->name_space);
    int64_t count = mu_reply_number(size, 0);
    bool refused = mu_doctor_refused(doctor, size);
    freeReplyObject(size);
    if (refused || count > DAEMONS_MAX) {
        if (!refused) {
            mu_doctor_cannot(doctor, "%" PRId64 " daemons are listed, more than are looked at",
                             count);
        }
        return;
    }
    if (count == 0) {
        mu_doctor_need_not(doctor, "no daemon lists itself (see 'lease')");
        return;
    }
    mu_doctor_settles(doctor, all_write, &roster);
    for (size_t i = 0; i + 1 < mu_reply_count(roster.entries); i += 2) {
        look_at_daemon(doctor, mu_reply_text(roster.entries->element[i]),
                       mu_reply_text(roster.entries->element[i + 1]), roster.now);
    }
    freeReplyObject(roster.entries);
    mu_doctor_saw(doctor, "%" PRId64 " of version " MUSTER_VERSION "%s", count,
                  count == 1 ? ", so there is no standby" : "");
}
