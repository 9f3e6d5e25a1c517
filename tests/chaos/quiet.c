#include "chaos/quiet.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chaos/act.h"
#include "chaos/store.h"
#include "lib/daemon.h"
#include "lib/sim.h"
#include "lib/test.h"
#include "lib/wait.h"

static bool same(const char *left, const char *right) {
    return left != NULL && right != NULL && strcmp(left, right) == 0;
}

/* The run id stands in INFO alone. */
static bool is_run(struct ch_stage *stage, const char *run) {
    char line[80];
    snprintf(line, sizeof line, "run_id:%.40s", run);
    return strstr(mt_text(stage->redis, "INFO server"), line) != NULL;
}

/* What is not as it will be when all is done; NULL: nothing. */
static const char *unsettled(struct ch_stage *stage) {
    struct mt_redis *redis = stage->redis;
    if (!ch_collector_is_open(stage->collector))
        return "the data that came back are not rotated";
    const char *run = mt_text(redis, "HGET " MT_NS "config run");
    if (run == NULL || !is_run(stage, run) ||
        mt_text(redis, "HGET " MT_NS "config generation") == NULL)
        return "the data are not confirmed";
    if (mt_integer(redis, "EXISTS " MT_NS "coordinator") == 0)
        return "nobody coordinates";
    if (mt_integer(redis, "ZCARD " MT_NS "ghosts") != 0)
        return "there are ghosts";
    if (mt_integer(redis, "SCARD " MT_NS "leaderless") != 0)
        return "there are leaderless sessions";
    if (mt_integer(redis, "ZCARD " MT_NS "instances") != stage->schedule->sims)
        return "not all instances are registered, or too many";
    for (unsigned i = 0; i < stage->schedule->sims; i++)
        if (!same(mt_text(redis, "HGET " MT_NS "instance:%s state", stage->sims[i].name), "up"))
            return "not all instances are up";
    redisReply *sessions = mt_command(redis, "ZRANGE " MT_NS "sessions 0 -1");
    for (size_t i = 0; i < sessions->elements; i++)
        if (strncmp(sessions->element[i]->str, "sim.", 4) == 0)
            return "a sim at a door finds out what it has heard";
    return NULL;
}

static const char *unsettled_sim(struct ch_stage *stage, const struct ch_actor *sim,
                                 const json_t *report) {
    if (!mt_bool(report, "settled") || !mt_bool(report, "complete"))
        return "a sim is not settled";
    if (!same(mt_str(report, "generation"),
              mt_text(stage->redis, "HGET " MT_NS "config generation")))
        return "a sim is in another generation";
    if (!same(mt_str(report, "incarnation"),
              mt_text(stage->redis, "HGET " MT_NS "instance:%s incarnation", sim->name)))
        return "a sim's incarnation is not registered";
    return NULL;
}

static const char *unsettled_sims(struct ch_stage *stage, json_t *reports[]) {
    const char *what = NULL;
    for (unsigned i = 0; i < stage->schedule->sims && what == NULL; i++)
        what = unsettled_sim(stage, &stage->sims[i], reports[i]);
    return what;
}

/* While sentinels switch there are two masters for a moment. A sim that hears one and is answered
 * by the other sees terms fall. */
static bool excused(const struct ch_stage *stage, const char *kind) {
    return stage->schedule->sentinel && (same(kind, "term-fell") || same(kind, "snapshot-behind"));
}

static void excuse(struct ch_stage *stage, json_t *report) {
    size_t index = 0;
    json_t *anomaly = NULL;
    bool all = true;
    json_array_foreach(json_object_get(report, "anomalies"), index, anomaly) all =
        all && excused(stage, mt_str(anomaly, "kind"));
    if (all && json_array_size(json_object_get(report, "anomalies")) > 0)
        json_object_set_new(report, "anomaly_count", json_integer(0));
}

/* Under a pause of all writes. */
static void compare(struct ch_stage *stage, json_t *reports[]) {
    ch_collector_compare(stage->collector, stage->redis);
    for (unsigned i = 0; i < stage->schedule->sims; i++) {
        excuse(stage, reports[i]);
        mt_sim_check_report(stage->sims[i].process, reports[i], stage->redis);
        ch_count(stage, "memberships compared", mt_sim_total(reports[i], "memberships"));
    }
}

/* One attempt: the reports are made while nothing is published, then nothing may write until all
 * has been compared. */
static const char *try_compare(struct ch_stage *stage) {
    json_t *reports[CH_MOST_SIMS] = {NULL};
    ch_store_turn(stage);
    ch_collector_sync(stage->collector);
    size_t before = ch_collector_events(stage->collector);
    const char *what = unsettled(stage);
    if (what == NULL) {
        for (unsigned i = 0; i < stage->schedule->sims; i++)
            reports[i] = mt_sim_report(stage->sims[i].process);
        mt_command(stage->redis, "CLIENT PAUSE 60000 WRITE");
        ch_collector_sync(stage->collector);
        if (ch_collector_events(stage->collector) != before)
            what = "events are still published";
        if (what == NULL)
            what = unsettled(stage);
        if (what == NULL)
            what = unsettled_sims(stage, reports);
        if (what == NULL)
            compare(stage, reports);
        mt_command(stage->redis, "CLIENT UNPAUSE");
        for (unsigned i = 0; i < stage->schedule->sims; i++)
            json_decref(reports[i]);
    }
    mt_redis_forget(stage->redis);
    return what;
}

static void hush(struct ch_stage *stage) {
    for (unsigned i = 0; i < stage->schedule->sims; i++)
        ch_await_entered(&stage->sims[i]);
    for (unsigned i = 0; i < stage->schedule->sims; i++)
        if (!stage->sims[i].quiet)
            mt_process_signal(stage->sims[i].process, SIGUSR2);
    for (unsigned i = 0; i < stage->schedule->sims; i++)
        if (!stage->sims[i].quiet)
            mt_sim_await(stage->sims[i].process, "quiet");
    for (unsigned i = 0; i < stage->schedule->sims; i++)
        stage->sims[i].quiet = true;
}

/* A failover that forgets the START of a new process brings back the incarnation of the process
 * before. The new one believes then that another has its id, and gives up. */
static bool revive(struct ch_stage *stage) {
    ch_store_turn(stage);
    for (unsigned i = 0; i < stage->schedule->sims; i++) {
        struct mt_process *sim = stage->sims[i].process;
        if (mt_process_running(sim) || mt_process_wait(sim) != 3)
            continue;
        ch_say(stage, "%s has given up its id: started again", stage->sims[i].name);
        ch_count(stage, "ids given up after a failover", 1);
        ch_start_sim(stage, i);
    }
    bool settled = stage->redis != NULL && unsettled(stage) == NULL;
    if (stage->redis != NULL)
        mt_redis_forget(stage->redis);
    return settled;
}

void ch_quiet(struct ch_stage *stage) {
    ch_heal(stage);
    ch_say(stage, "healed");
    if (stage->schedule->sentinel) {
        mt_let_pass(1000); /* several heartbeats: whoever gives up has done so */
        MT_WAIT(stage->world, revive(stage), "everybody to be registered after a failover");
    }
    ch_expect_alive(stage);
    hush(stage);
    ch_say(stage, "all sims are quiet");
    struct mt_wait wait = mt_wait_begin(stage->world, NULL, __FILE__, __LINE__);
    const char *said = NULL;
    while ((wait.what = try_compare(stage)) != NULL) {
        if (wait.what != said)
            ch_say(stage, "waiting: %s", wait.what);
        said = wait.what;
        wait.what = "a quiet point (see chaos.log)";
        mt_wait_step(&wait);
    }
    mt_fsck(stage->world, ch_store_server(stage));
    ch_expect_alive(stage);
    ch_say(stage, "compared: %zu events so far", ch_collector_events(stage->collector));
}

void ch_unquiet(struct ch_stage *stage) {
    for (unsigned i = 0; i < stage->schedule->sims; i++) {
        mt_process_signal(stage->sims[i].process, SIGUSR2);
        stage->sims[i].quiet = false;
    }
}

/* ---- what was written ---- */

typedef void line_reader(struct ch_stage *stage, const struct ch_actor *actor, const json_t *line);

static void read_lines(struct ch_stage *stage, const struct ch_actor *actor, enum mt_stream stream,
                       line_reader *read) {
    char *text = mt_process_output(actor->process, stream);
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        json_t *object = json_loads(line, 0, NULL);
        if (json_is_object(object)) /* else the last one of a killed process, half written */
            read(stage, actor, object);
        json_decref(object);
    }
    free(text);
}

static void read_sim(struct ch_stage *stage, const struct ch_actor *actor, const json_t *line) {
    const char *what = mt_str(line, "sim");
    if (same(what, "anomaly") && excused(stage, json_string_value(json_object_get(line, "kind")))) {
        ch_count(stage, "anomalies between two masters", 1);
    } else if (same(what, "anomaly") || same(what, "error")) {
        char *text = json_dumps(line, JSON_COMPACT);
        mt_fail(stage->world, "%s: %s", actor->name, text);
    }
    if (same(what, "restarting"))
        ch_count(stage, "sims started again", 1);
    if (same(what, "link-down"))
        ch_count(stage, "links of sims lost", 1);
    if (same(what, "entered")) {
        ch_count(stage, "memberships adopted", mt_int(line, "adopted"));
        ch_count(stage, "memberships rebuilt", mt_int(line, "rebuilt"));
        ch_count(stage, "memberships joined", mt_int(line, "joined"));
    }
}

static void read_daemon(struct ch_stage *stage, const struct ch_actor *actor, const json_t *line) {
    static const char *const counted[] = {"data.rotated", "data.confirmed", "lease.lost",
                                          "lease.stale", "scrub.finding"};
    const char *event = json_string_value(json_object_get(line, "event"));
    for (size_t i = 0; i < sizeof counted / sizeof *counted; i++)
        if (same(event, counted[i]))
            ch_count(stage, counted[i], 1);
    if (!same(event, "lease.acquired"))
        return;
    char key[48];
    json_t *epochs = json_object_get(stage->census, "#epochs");
    snprintf(key, sizeof key, "%lld", mt_int(line, "epoch"));
    const char *other = json_string_value(json_object_get(epochs, key));
    if (other != NULL && !same(other, actor->name)) /* it may take up its own again */
        mt_fail(stage->world, "epoch %s was held by %s and by %s", key, other, actor->name);
    json_object_set_new(epochs, key, json_string(actor->name));
}

void ch_judge(struct ch_stage *stage) {
    static const char *const heard[] = {
        "coordinator.elected", "generation.changed", "instance.suspect", "instance.dead",
        "instance.started",    "instance.stopped",   "brake.engaged",    "leader.changed"};
    json_object_set_new(stage->census, "#epochs", json_object());
    for (unsigned i = 0; i < stage->schedule->sims; i++)
        read_lines(stage, &stage->sims[i], MT_STDOUT, read_sim);
    for (unsigned i = 0; i < stage->schedule->daemons; i++)
        read_lines(stage, &stage->daemons[i], MT_STDERR, read_daemon);
    json_object_del(stage->census, "#epochs");
    for (size_t i = 0; i < sizeof heard / sizeof *heard; i++)
        ch_count(stage, heard[i], ch_collector_heard(stage->collector, heard[i]));
    ch_count(stage, "session events followed", (long long)ch_collector_events(stage->collector));
}
