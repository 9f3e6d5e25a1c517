#include "chaos/store.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/loop.h"
#include "lib/test.h"
#include "lib/wait.h"

enum { ASK_EVERY_MS = 200 };

/* ---- the clock ---- */

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

static long long redis_seconds(struct ch_stage *self) {
    redisReply *reply = mt_command(self->redis, "TIME");
    long long seconds = strtoll(reply->element[0]->str, NULL, 10);
    mt_redis_forget(self->redis);
    return seconds;
}

static void jump(struct ch_stage *self, int ms) {
    long long before = redis_seconds(self);
    (void)atomic_fetch_add(self->clock_us, (int64_t)ms * 1000);
    MT_WAIT(self->world,
            ms < 0 ? redis_seconds(self) <= before : redis_seconds(self) >= before + ms / 1000,
            "Redis' clock to jump");
}

/* ---- connections ---- */

struct mt_server *ch_store_server(const struct ch_stage *self) {
    return self->sentinels == NULL ? self->server
                                   : mt_sentinels_server(self->sentinels, self->master);
}

static void connect_all(struct ch_stage *self) {
    self->redis = mt_server_connect(ch_store_server(self));
    (void)ch_collector_open(self->collector, mt_server_socket(ch_store_server(self)));
}

/* Nobody else is in the network namespace, so all addresses of it may be listened at. */
static const char *const *tcp_options(struct ch_stage *self) {
    self->port = mt_free_port();
    snprintf(self->port_text, sizeof self->port_text, "%d", self->port);
    const char *const options[] = {
        "--port", self->port_text, "--bind", "0.0.0.0", "--protected-mode", "no", NULL};
    memcpy(self->redis_options, options, sizeof options);
    return self->redis_options;
}

void ch_store_open(struct ch_stage *self) {
    make_clock(self);
    self->victim = MT_NOBODY;
    if (self->schedule->sentinel) {
        static const char *const replica[] = {
            "--protected-mode", "no", "--replica-announce-ip", "127.0.0.1", "--bind-source-addr",
            CH_REPLICA_ADDRESS, NULL};
        self->sentinels = mt_sentinels_start(
            self->world, &(struct mt_sentinels_options){.kind = MT_SERVER_DURABLE,
                                                        .extra = self->drops ? replica : NULL});
    } else {
        begin_clock(self);
        self->server = mt_server_start(
            self->world, "redis", self->schedule->durable ? MT_SERVER_DURABLE : MT_SERVER_VOLATILE,
            self->drops ? tcp_options(self) : NULL);
        end_clock();
    }
    connect_all(self);
}

void ch_store_close(struct ch_stage *self) {
    mt_redis_close(&self->redis);
    mt_sentinels_free(&self->sentinels);
    mt_server_free(&self->server);
    if (self->clock_us != NULL)
        munmap((void *)(uintptr_t)self->clock_us, sizeof *self->clock_us);
}

void ch_store_expect_alive(const struct ch_stage *self) {
    if (self->redis != NULL && !mt_process_running(mt_server_process(ch_store_server(self))))
        mt_fail(self->world, "Redis has ended by itself");
}

/* What was published around a switch is excused. A master that was left for another and is taken
 * back was promoted, which ends all connections to it; its data are to be rotated. */
static void follow_sentinels(struct ch_stage *self) {
    size_t master = mt_sentinels_master(self->sentinels);
    bool follows =
        master == self->master && self->redis != NULL && ch_collector_is_open(self->collector);
    if (master == MT_NOBODY || follows || master == self->victim)
        return;
    if (master != self->master) {
        ch_say(self, "server %zu is the master", master);
        ch_count(self, "masters switched", 1);
    }
    mt_redis_close(&self->redis);
    ch_collector_turn(self->collector); /* what was said until now, a generation perhaps */
    ch_collector_drop(self->collector);
    self->master = master;
    connect_all(self);
}

void ch_store_turn(struct ch_stage *self) {
    if (self->sentinels != NULL && mt_now_ms() - self->asked_at >= ASK_EVERY_MS) {
        follow_sentinels(self);
        self->asked_at = mt_now_ms();
    }
    ch_collector_turn(self->collector);
}

/* ---- one Redis ---- */

static void pause_redis(struct ch_stage *self, bool pause) {
    if (self->redis_paused == pause)
        return;
    mt_process_signal(mt_server_process(self->server), pause ? SIGSTOP : SIGCONT);
    self->redis_paused = pause;
}

static void kill_redis(struct ch_stage *self) {
    if (self->redis == NULL)
        return;
    pause_redis(self, false);
    mt_redis_close(&self->redis);
    mt_server_kill(self->server);
    ch_collector_close(self->collector);
}

static void restart_redis(struct ch_stage *self) {
    if (self->redis != NULL)
        return;
    begin_clock(self);
    mt_server_restart(self->server);
    end_clock();
    connect_all(self);
}

/* ---- a master and its replica ---- */

static void harm_master(struct ch_stage *self, enum ch_action action) {
    if (self->victim != MT_NOBODY)
        return;
    struct mt_server *server = mt_sentinels_server(self->sentinels, self->master);
    self->victim = self->master;
    mt_redis_close(&self->redis);
    if (action == CH_MASTER_KILL) {
        mt_server_kill(server);
        ch_collector_close(self->collector);
    } else {
        ch_collector_drop(self->collector);
        mt_process_signal(mt_server_process(server), SIGSTOP);
    }
}

static void heal_master(struct ch_stage *self) {
    if (self->victim == MT_NOBODY)
        return;
    struct mt_server *server = mt_sentinels_server(self->sentinels, self->victim);
    if (mt_process_running(mt_server_process(server)))
        mt_process_signal(mt_server_process(server), SIGCONT);
    else
        mt_server_restart(server);
    self->victim = MT_NOBODY;
}

static void pause_sentinel(struct ch_stage *self, unsigned index, bool pause) {
    unsigned bit = 1U << index;
    if (((self->sentinels_paused & bit) != 0) == pause)
        return;
    mt_process_signal(mt_sentinels_process(self->sentinels, index), pause ? SIGSTOP : SIGCONT);
    self->sentinels_paused ^= bit;
}

/* ---- steps ---- */

/* The collector starts anew behind it: what was there is gone without an event. */
static void flush(struct ch_stage *self) {
    ch_collector_sync(self->collector);
    ch_collector_drop(self->collector);
    mt_command(self->redis, "FLUSHALL");
    mt_redis_forget(self->redis);
    (void)ch_collector_open(self->collector, mt_server_socket(ch_store_server(self)));
}

void ch_store_act(struct ch_stage *self, const struct ch_step *step) {
    bool away = self->redis == NULL || self->redis_paused;
    switch (step->action) {
    case CH_REDIS_KILL:
        (step->over ? restart_redis : kill_redis)(self);
        break;
    case CH_REDIS_PAUSE:
        pause_redis(self, !step->over);
        break;
    case CH_MASTER_KILL:
    case CH_MASTER_PAUSE:
        if (step->over)
            heal_master(self);
        else
            harm_master(self, step->action);
        break;
    case CH_FAILOVER:
        (void)mt_sentinels_failover(self->sentinels);
        follow_sentinels(self);
        break;
    case CH_SENTINEL_PAUSE:
        pause_sentinel(self, step->target, !step->over);
        break;
    case CH_FLUSHALL:
        if (!away)
            flush(self);
        break;
    case CH_CLOCK:
        if (!away)
            jump(self, step->argument);
        break;
    default:
        break;
    }
}

void ch_store_heal(struct ch_stage *self) {
    if (self->sentinels == NULL) {
        pause_redis(self, false);
        restart_redis(self);
        return;
    }
    for (unsigned i = 0; i < mt_sentinels_count(self->sentinels); i++)
        pause_sentinel(self, i, false);
    heal_master(self);
    (void)mt_sentinels_settle(self->sentinels, MT_NOBODY);
    follow_sentinels(self);
}
