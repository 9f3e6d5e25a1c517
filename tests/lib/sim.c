#include "lib/sim.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/test.h"

enum { MOST_WORDS = 64 };

struct mt_process *mt_sim_start_words(const struct mt_sim_place *place, const char *name,
                                      const char *id, const char *const options[]) {
    const char *argv[MOST_WORDS] = {MUSTER_BUILD_DIR "/muster-sim",
                                    "instance",
                                    place->option,
                                    place->value,
                                    "--namespace",
                                    MT_NAMESPACE,
                                    "--id",
                                    id,
                                    "--report",
                                    mt_world_path(place->world, "%s.report", name)};
    size_t count = 10;
    for (size_t i = 0; options[i] != NULL; i++) {
        assert_true(count < MOST_WORDS - 1);
        argv[count++] = options[i];
    }
    return mt_process_start(place->world, name, argv);
}

json_t *mt_sim_wait(struct mt_process *sim, const char *what) {
    char needle[64];
    snprintf(needle, sizeof needle, "{\"sim\":\"%s\"", what);
    char *line = mt_process_wait_line(sim, MT_STDOUT, needle);
    json_t *fields = json_loads(line, 0, NULL);
    if (fields == NULL)
        mt_fail(mt_process_world(sim), "no JSON on stdout: %s", line);
    free(line);
    return fields;
}

void mt_sim_await(struct mt_process *sim, const char *what) {
    json_decref(mt_sim_wait(sim, what));
}

void mt_sim_hush(struct mt_process *sim) {
    mt_process_signal(sim, SIGUSR2);
    mt_sim_await(sim, "quiet");
}

json_t *mt_sim_report(struct mt_process *sim) {
    struct mt_world *world = mt_process_world(sim);
    mt_process_signal(sim, SIGUSR1);
    mt_sim_await(sim, "reported");
    json_error_t error;
    json_t *report =
        json_load_file(mt_world_path(world, "%s.report", mt_process_name(sim)), 0, &error);
    if (report == NULL)
        mt_fail(world, "report of %s: %s", mt_process_name(sim), error.text);
    return report;
}

long long mt_sim_total(const json_t *report, const char *name) {
    return mt_int(json_object_get(report, "totals"), name);
}

/* One connection's memberships. `marker` is how its incarnation stands in a member. */
static size_t check_memberships(struct mt_world *world, struct mt_redis *redis,
                                const json_t *connection, const char *owner) {
    const char *id = mt_str(connection, "connection");
    const json_t *sessions = json_object_get(connection, "sessions");
    size_t index = 0;
    json_t *session = NULL;
    json_array_foreach(sessions, index, session) {
        const char *name = json_string_value(session);
        const char *text = mt_text(redis, "HGET " MT_NS "session:%s %s", name, id);
        if (text == NULL)
            mt_fail(world, "%s is acknowledged as member of %s, but is none", id, name);
        if (strstr(text, owner) == NULL)
            mt_fail(world, "%s in %s is not owned by %s: %s", id, name, owner, text);
        json_t *member = json_loads(text, 0, NULL);
        if (!json_equal(json_object_get(member, "profile"), json_object_get(connection, "profile")))
            mt_fail(world, "%s in %s has another profile: %s", id, name, text);
        json_decref(member);
    }
    return json_array_size(sessions);
}

/* How many members of all sessions belong to this owner. */
static size_t count_members(struct mt_redis *redis, const char *owner) {
    size_t count = 0;
    redisReply *sessions = mt_command(redis, "ZRANGE " MT_NS "sessions 0 -1");
    for (size_t i = 0; i < sessions->elements; i++) {
        redisReply *values =
            mt_command(redis, "HVALS " MT_NS "session:%s", sessions->element[i]->str);
        for (size_t k = 0; k < values->elements; k++)
            count += strstr(values->element[k]->str, owner) != NULL;
    }
    return count;
}

/* All of both sides: another `gen` beside another `term` says that a lift was not heard of, the
 * same one that a change was missed. */
_Noreturn static void differ(struct mt_world *world, struct mt_redis *redis, const char *name,
                             const char *field, const json_t *view) {
    const redisReply *is =
        mt_command(redis, "HMGET " MT_NS "session:%s #leader #term #seq #gen #count", name);
    char truth[512] = "";
    size_t used = 0;
    for (size_t i = 0; i < is->elements && used < sizeof truth; i++)
        used += (size_t)snprintf(truth + used, sizeof truth - used, " %s",
                                 is->element[i]->str == NULL ? "-" : is->element[i]->str);
    char *believed = json_dumps(view, JSON_COMPACT);
    mt_fail(world, "session %s: #%s is not as believed: %s; leader, term, seq, gen, count are%s",
            name, field, believed, truth);
}

static void check_view(struct mt_world *world, struct mt_redis *redis, const char *name,
                       const json_t *view) {
    static const char *const fields[] = {"leader", "term", "seq", "gen", "count"};
    bool exists = mt_integer(redis, "EXISTS " MT_NS "session:%s", name) == 1;
    if (exists != mt_bool(view, "exists"))
        mt_fail(world, "session %s: believed and true existence differ", name);
    for (size_t i = 0; exists && i < sizeof fields / sizeof *fields; i++) {
        char believed[160] = "";
        const json_t *value = json_object_get(view, fields[i]);
        const char *truth = mt_text(redis, "HGET " MT_NS "session:%s #%s", name, fields[i]);
        if (json_is_integer(value))
            snprintf(believed, sizeof believed, "%lld", (long long)json_integer_value(value));
        else if (json_is_string(value))
            snprintf(believed, sizeof believed, "%s", json_string_value(value));
        if (strcmp(believed, truth == NULL ? "" : truth) != 0)
            differ(world, redis, name, fields[i], view);
    }
}

void mt_sim_check(struct mt_process *sim, struct mt_redis *redis) {
    json_t *report = mt_sim_report(sim);
    mt_sim_check_report(sim, report, redis);
    json_decref(report);
}

void mt_sim_check_report(struct mt_process *sim, const json_t *report, struct mt_redis *redis) {
    struct mt_world *world = mt_process_world(sim);
    char owner[320];
    size_t index = 0;
    size_t memberships = 0;
    json_t *value = NULL;
    const char *name = NULL;
    if (!mt_bool(report, "settled") || !mt_bool(report, "complete"))
        mt_fail(world, "%s is not settled", mt_process_name(sim));
    if (mt_int(report, "anomaly_count") != 0)
        mt_fail(world, "%s saw %lld anomalies", mt_process_name(sim),
                mt_int(report, "anomaly_count"));
    if (json_object_size(json_object_get(report, "errors")) != 0)
        mt_fail(world, "%s got unexpected errors", mt_process_name(sim));
    snprintf(owner, sizeof owner, "\"instance\":\"%s\",\"incarnation\":\"%s\"",
             mt_str(report, "instance"), mt_str(report, "incarnation"));
    json_array_foreach(json_object_get(report, "connections"), index, value) {
        memberships += check_memberships(world, redis, value, owner);
        mt_redis_forget(redis);
    }
    if (memberships != count_members(redis, owner))
        mt_fail(world, "%s has members in Redis that it does not know of", mt_process_name(sim));
    json_object_foreach(json_object_get(report, "sessions"), name, value)
        check_view(world, redis, name, value);
    mt_redis_forget(redis);
}
