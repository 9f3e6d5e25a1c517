#include "chaos/stage.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chaos/store.h"
#include "lib/daemon.h"
#include "lib/sim.h"
#include "lib/test.h"
#include "lib/wait.h"

/* In ms. Short, so that a schedule of seconds sees suspicion, death and changes of the coordinator.
 * Nothing breaks when a slow machine makes them come by themselves; but where everything is slow,
 * under sanitizers, nobody would get anywhere, so they are longer there. */
static const struct {
    const char *key;
    unsigned ms;
} quick[] = {
    {"coordinator.lease", 1000},     {"coordinator.renew", 300},
    {"detector.heartbeat", 300},     {"detector.suspect_after", 1000},
    {"detector.dead_after", 3000},   {"detector.probe", 100},
    {"detector.resume_grace", 1000}, {"brake.hold", 1000},
    {"brake.window", 5000},          {"redis.connect_timeout", 1000},
    {"redis.command_timeout", 1000}, {"redis.retry_max", 500},
    {"scrub.interval", 20},          {"limits.request_timeout", 2000},
};
enum { QUICK = sizeof quick / sizeof *quick, MORE = 10 };

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

/* ---- the others ---- */

static const char *door_of(struct ch_stage *self, unsigned daemon) {
    return mt_world_path(self->world, "daemon-%u.door", daemon + 1);
}

/* Over TCP, by an address of its own, if its packets are to be dropped; else through the proxy. */
static void daemon_url(const struct ch_stage *self, unsigned index, char *out, size_t size) {
    const char *login = mt_server_url(ch_store_server(self)) + strlen("unix://");
    const char *at = strchr(login, '@');
    if (self->port == 0)
        snprintf(out, size, "redis.url=%s", self->links.list[self->daemons[index].link].listen);
    else
        snprintf(out, size, "redis.url=redis://%.*s" CH_DAEMON_NET "%u:%d",
                 at == NULL ? 0 : (int)(at + 1 - login), login, index + 1, self->port);
}

void ch_start_daemon(struct ch_stage *self, unsigned index) {
    struct ch_actor *actor = &self->daemons[index];
    const char *set[QUICK + MORE] = {NULL};
    char times[QUICK][48];
    char url[200];
    char door[200];
    snprintf(door, sizeof door,
             "plugins.load=[{name: transport_resp, config: {listen: [\"unix://%s\"]}}]",
             door_of(self, index));
    daemon_url(self, index, url, sizeof url);
    for (size_t i = 0; i < QUICK; i++) {
        snprintf(times[i], sizeof times[i], "%s=%ums", quick[i].key, quick[i].ms * mt_slowness());
        set[i] = times[i];
    }
    set[QUICK] = door;
    set[QUICK + 1] = "authorization.default=allow";
    if (!self->schedule->sentinel)
        set[QUICK + 2] = url;
    for (size_t i = 0; self->schedule->sentinel && mt_sentinels_set(self->sentinels)[i]; i++)
        set[QUICK + 2 + i] = mt_sentinels_set(self->sentinels)[i];
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

static struct mt_sim_place place_of(const struct ch_stage *self, unsigned sim, char *doors,
                                    size_t size) {
    struct mt_sim_place place = {self->world, "--url", NULL};
    if (ch_at_door(self->schedule, sim)) {
        place.option = "--door";
        place.value = doors_for(self, sim, doors, size);
    } else if (self->schedule->sentinel) {
        place.option = "--sentinel";
        place.value = mt_sentinels_list(self->sentinels);
    } else {
        place.value = self->links.list[self->sims[sim].link].listen;
    }
    return place;
}

void ch_start_sim(struct ch_stage *self, unsigned index) {
    struct ch_actor *actor = &self->sims[index];
    bool door = ch_at_door(self->schedule, index);
    char seed[24];
    char doors[400];
    const struct mt_sim_place place = place_of(self, index, doors, sizeof doors);
    const char *heartbeat = !door && index % 4 == 2 ? "channel" : "fcall";
    snprintf(seed, sizeof seed, "%" PRIu64, (self->schedule->seed + index) & 0xffffffff);
    actor->process = mt_sim_start(&place, actor->name, actor->name, "--connections", "20",
                                  "--sessions", "8", "--joins", "2", "--users", "10", "--churn",
                                  "20", "--seed", seed, "--heartbeat", heartbeat,
                                  !door && self->schedule->sentinel ? "--master" : NULL, MT_MASTER);
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
    ch_store_expect_alive(self);
}

static void make_links(struct ch_stage *self) {
    const char *redis = mt_server_url(ch_store_server(self));
    const char *backend = mt_server_url_for(ch_store_server(self), MT_BACKEND);
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
        if (!self->schedule->sentinel && !ch_at_door(self->schedule, i))
            ch_links_add(&self->links, self->world, backend, "%s", actor->name);
        for (unsigned k = 0; ch_at_door(self->schedule, i) && k < self->schedule->daemons; k++) {
            char target[160];
            snprintf(target, sizeof target, "unix://%s", door_of(self, k));
            ch_links_add(&self->links, self->world, target, "%s-%u", actor->name, k + 1);
        }
        actor->links = self->links.count - actor->link;
    }
}

static void open_packets(struct ch_stage *self) {
    const char *reason = NULL;
    if (!self->schedule->packets)
        return;
    self->drops = ch_packets_open(&self->packets, self->world, &reason);
    if (!self->drops)
        ch_say(self, "no packets are dropped: %s", reason);
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
    open_packets(self);
    self->collector = ch_collector_create(self->world);
    ch_store_open(self);
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
    ch_store_close(self);
    fclose(self->log);
    json_decref(self->census);
    if (keep)
        setenv("MUSTER_TEST_KEEP", "1", 1);
    mt_world_destroy(&self->world);
    free(self);
}
