#include "chaos/stage.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/daemon.h"
#include "lib/sim.h"
#include "lib/test.h"
#include "lib/wait.h"

/* Short, so that a schedule of seconds sees suspicion, death and changes of the coordinator.
 * Nothing breaks when a slow machine makes them come by themselves. */
static const char *const quick[] = {
    "coordinator.lease=1s",
    "coordinator.renew=300ms",
    "detector.heartbeat=300ms",
    "detector.suspect_after=1s",
    "detector.dead_after=3s",
    "detector.probe=100ms",
    "detector.resume_grace=1s",
    "brake.hold=1s",
    "brake.window=5s",
    "redis.connect_timeout=1s",
    "redis.command_timeout=1s",
    "redis.retry_max=500ms",
    "scrub.interval=20ms",
    "limits.request_timeout=2s",
    "authorization.default=allow",

};
enum { QUICK = sizeof quick / sizeof *quick };

void ch_say(struct ch_stage *self, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fprintf(self->log, "%8" PRIu64 " ms  ", mt_now_ms() - self->began_ms);
    vfprintf(self->log, format, arguments);
    fputc('\n', self->log);
    fflush(self->log);
    va_end(arguments);
}

void ch_count(struct ch_stage *self, const char *name, long long more) {
    json_int_t count = json_integer_value(json_object_get(self->census, name));
    json_object_set_new(self->census, name, json_integer(count + more));
}

/* ---- Redis ---- */

static void make_clock(struct ch_stage *self) {
    const char *path = mt_world_path(self->world, "clock");
    int64_t none = 0;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, &none, sizeof none), sizeof none);
    void *page = mmap(NULL, sizeof none, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_true(page != MAP_FAILED);
    close(fd);
    self->clock_us = page;
}

/* What is started between the two sees the clock that the test turns. */
static void begin_clock(const struct ch_stage *self) {
    setenv("MUSTER_TEST_CLOCK_OFFSET", mt_world_path(self->world, "clock"), 1);
    setenv("LD_PRELOAD", MUSTER_TEST_CLOCK_LIBRARY, 1);
}

static void end_clock(void) {
    unsetenv("LD_PRELOAD");
    unsetenv("MUSTER_TEST_CLOCK_OFFSET");
}

static void start_redis(struct ch_stage *self) {
    begin_clock(self);
    self->server =
        mt_server_start(self->world, "redis",
                        self->schedule->durable ? MT_SERVER_DURABLE : MT_SERVER_VOLATILE, NULL);
    end_clock();
    self->redis = mt_server_connect(self->server);
    ch_collector_open(self->collector, mt_server_socket(self->server));
}

void ch_kill_redis(struct ch_stage *self) {
    ch_pause_redis(self, false);
    mt_redis_close(&self->redis);
    mt_server_kill(self->server);
    ch_collector_close(self->collector);
    if (!self->schedule->durable)
        ch_collector_lost(self->collector);
}

void ch_restart_redis(struct ch_stage *self) {
    begin_clock(self);
    mt_server_restart(self->server);
    end_clock();
    self->redis = mt_server_connect(self->server);
    ch_collector_open(self->collector, mt_server_socket(self->server));
}

void ch_pause_redis(struct ch_stage *self, bool pause) {
    if (self->redis_paused == pause)
        return;
    mt_process_signal(mt_server_process(self->server), pause ? SIGSTOP : SIGCONT);
    self->redis_paused = pause;
}

/* ---- the others ---- */

static const char *door_of(struct ch_stage *self, unsigned daemon) {
    return mt_world_path(self->world, "daemon-%u.door", daemon + 1);
}

void ch_start_daemon(struct ch_stage *self, unsigned index) {
    struct ch_actor *actor = &self->daemons[index];
    const char *set[QUICK + 3] = {NULL};
    char url[200];
    char door[200];
    snprintf(door, sizeof door,
             "plugins.load=[{name: transport_resp, config: {listen: [\"unix://%s\"]}}]",
             door_of(self, index));
    snprintf(url, sizeof url, "redis.url=%s", self->links.list[actor->link].listen);
    memcpy(set, quick, sizeof quick);
    set[QUICK] = url;
    set[QUICK + 1] = door;
    actor->process = mt_daemon_start(
        self->world, actor->name, &(struct mt_daemon_options){.server = self->server, .set = set});
    actor->down = false;
}

/* Of its links to doors the own number's comes first, so that sims begin at different daemons. */
static const char *doors_for(const struct ch_stage *self, unsigned sim, char *text, size_t size) {
    const struct ch_actor *actor = &self->sims[sim];
    int used = 0;
    for (int i = 0; i < actor->links && used < (int)size; i++) {
        int turned = ((int)sim / 2 + i) % actor->links;
        used += snprintf(text + used, size - (size_t)used, "%s%s", i == 0 ? "" : ",",
                         self->links.list[actor->link + turned].listen);
    }
    return text;
}

void ch_start_sim(struct ch_stage *self, unsigned index) {
    struct ch_actor *actor = &self->sims[index];
    bool door = ch_at_door(self->schedule, index);
    char seed[24];
    char doors[400];
    const struct mt_sim_place place = {self->world, door ? "--door" : "--url",
                                       door ? doors_for(self, index, doors, sizeof doors)
                                            : self->links.list[actor->link].listen};
    const char *heartbeat = !door && index % 4 == 2 ? "channel" : "fcall";
    snprintf(seed, sizeof seed, "%" PRIu64, (self->schedule->seed + index) & 0xffffffff);
    actor->process = mt_sim_start(&place, actor->name, actor->name, "--connections", "20",
                                  "--sessions", "8", "--joins", "2", "--users", "10", "--churn",
                                  "20", "--seed", seed, "--heartbeat", heartbeat);
    actor->down = false;
    actor->quiet = false;
    actor->entered = false;
}

void ch_await_entered(struct ch_actor *sim) {
    if (!sim->entered)
        mt_sim_await(sim->process, "entered");
    sim->entered = true;
}

static void expect_one(struct ch_stage *self, const struct ch_actor *actor) {
    if (!actor->down && !mt_process_running(actor->process))
        mt_fail(self->world, "%s has ended by itself with %d", actor->name,
                mt_process_wait(actor->process));
}

void ch_expect_alive(struct ch_stage *self) {
    for (unsigned i = 0; i < self->schedule->daemons; i++)
        expect_one(self, &self->daemons[i]);
    for (unsigned i = 0; i < self->schedule->sims; i++)
        expect_one(self, &self->sims[i]);
    if (self->redis != NULL && !mt_process_running(mt_server_process(self->server)))
        mt_fail(self->world, "Redis has ended by itself");
}

static void make_links(struct ch_stage *self) {
    const char *redis = mt_server_url(self->server);
    const char *backend = mt_server_url_for(self->server, MT_BACKEND);
    for (unsigned i = 0; i < self->schedule->daemons; i++) {
        struct ch_actor *actor = &self->daemons[i];
        snprintf(actor->name, sizeof actor->name, "daemon-%u", i + 1);
        actor->link = ch_links_add(&self->links, self->world, redis, "%s", actor->name);
        actor->links = 1;
    }
    for (unsigned i = 0; i < self->schedule->sims; i++) {
        struct ch_actor *actor = &self->sims[i];
        snprintf(actor->name, sizeof actor->name, "sim-%u", i + 1);
        actor->link = self->links.count;
        if (!ch_at_door(self->schedule, i))
            ch_links_add(&self->links, self->world, backend, "%s", actor->name);
        for (unsigned k = 0; ch_at_door(self->schedule, i) && k < self->schedule->daemons; k++) {
            char target[160];
            snprintf(target, sizeof target, "unix://%s", door_of(self, k));
            ch_links_add(&self->links, self->world, target, "%s-%u", actor->name, k + 1);
        }
        actor->links = self->links.count - actor->link;
    }
}

void ch_stage_open(struct ch_stage **stage, const struct ch_schedule *schedule) {
    struct ch_stage *self = *stage = calloc(1, sizeof *self);
    assert_non_null(self);
    self->schedule = schedule;
    self->world = mt_world_create();
    self->census = json_object();
    self->began_ms = mt_now_ms();
    self->log = fopen(mt_world_path(self->world, "chaos.log"), "we");
    assert_non_null(self->log);
    ch_schedule_print(schedule, self->log);
    self->collector = ch_collector_create(self->world);
    make_clock(self);
    start_redis(self);
    make_links(self);
    ch_links_start(&self->links);
    for (unsigned i = 0; i < schedule->daemons; i++)
        ch_start_daemon(self, i);
    for (unsigned i = 0; i < schedule->sims; i++)
        ch_start_sim(self, i);
    for (unsigned i = 0; i < schedule->sims; i++)
        ch_await_entered(&self->sims[i]);
    ch_say(self, "everybody has entered");
}

void ch_stage_close(struct ch_stage **pointer, bool keep) {
    struct ch_stage *self = *pointer;
    if (self == NULL)
        return;
    *pointer = NULL;
    ch_links_close(&self->links);
    ch_collector_destroy(&self->collector);
    mt_redis_close(&self->redis);
    mt_server_free(&self->server);
    munmap((void *)(uintptr_t)self->clock_us, sizeof *self->clock_us);
    fclose(self->log);
    json_decref(self->census);
    if (keep)
        setenv("MUSTER_TEST_KEEP", "1", 1);
    mt_world_destroy(&self->world);
    free(self);
}
