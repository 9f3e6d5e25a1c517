#include "chaos/act.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/test.h"
#include "lib/wait.h"

typedef void starter(struct ch_stage *stage, unsigned index);

static void pause_actor(struct ch_actor *actor, bool pause) {
    if (actor->paused == pause || actor->down)
        return;
    mt_process_signal(actor->process, pause ? SIGSTOP : SIGCONT);
    actor->paused = pause;
}

static void end_actor(struct ch_actor *actor, int signal_number) {
    pause_actor(actor, false);
    if (actor->down)
        return;
    actor->down = true;
    if (signal_number == SIGKILL)
        mt_process_kill(actor->process);
    else
        mt_process_signal(actor->process, signal_number);
}

/* Whoever was asked to end and could not (Redis is away) is killed. */
static void return_actor(struct ch_stage *stage, struct ch_actor *actor, unsigned index,
                         starter *start) {
    if (!actor->down)
        return;
    mt_process_kill(actor->process);
    start(stage, index);
}

static void act_on_actor(struct ch_stage *stage, const struct ch_step *step) {
    bool is_sim = step->action <= CH_SIM_TERM;
    struct ch_actor *actor = is_sim ? &stage->sims[step->target] : &stage->daemons[step->target];
    starter *start = is_sim ? ch_start_sim : ch_start_daemon;
    switch (step->action) {
    case CH_SIM_PAUSE:
    case CH_DAEMON_PAUSE:
        pause_actor(actor, !step->over);
        break;
    default:
        if (step->over)
            return_actor(stage, actor, step->target, start);
        else
            end_actor(actor, step->action == CH_SIM_TERM || step->action == CH_DAEMON_TERM
                                 ? SIGTERM
                                 : SIGKILL);
        break;
    }
}

static void act_on_one(struct ch_stage *stage, const struct ch_step *step, const char *name) {
    if (step->over)
        ch_links_tell(&stage->links, "heal %s", name);
    else if (step->action == CH_CUT)
        ch_links_tell(&stage->links, "cut %s", name);
    else if (step->action == CH_STALL)
        ch_links_tell(&stage->links, "stall %s", name);
    else
        ch_links_tell(&stage->links, "delay %s %d %d", name, step->argument, step->argument);
}

static void act_on_links(struct ch_stage *stage, const struct ch_step *step) {
    const struct ch_actor *actor =
        step->side == CH_OF_SIM ? &stage->sims[step->target] : &stage->daemons[step->target];
    for (int i = 0; i < actor->links; i++)
        if (step->which == 0 || step->which == (unsigned)i + 1)
            act_on_one(stage, step, stage->links.list[actor->link + i].name);
}

static void redis_kill(struct ch_stage *stage, const struct ch_step *step) {
    if (!step->over && stage->redis != NULL)
        ch_kill_redis(stage);
    else if (step->over && stage->redis == NULL)
        ch_restart_redis(stage);
}

/* The collector starts anew behind it: what was there is gone without an event. */
static void flush(struct ch_stage *stage) {
    ch_collector_sync(stage->collector);
    ch_collector_drop(stage->collector);
    ch_collector_lost(stage->collector);
    mt_command(stage->redis, "FLUSHALL");
    mt_redis_forget(stage->redis);
    ch_collector_open(stage->collector, mt_server_socket(stage->server));
}

static long long redis_seconds(struct ch_stage *stage) {
    redisReply *reply = mt_command(stage->redis, "TIME");
    long long seconds = strtoll(reply->element[0]->str, NULL, 10);
    mt_redis_forget(stage->redis);
    return seconds;
}

static void jump(struct ch_stage *stage, int ms) {
    long long before = redis_seconds(stage);
    int64_t offset = atomic_fetch_add(stage->clock_us, (int64_t)ms * 1000) + (int64_t)ms * 1000;
    if (offset > stage->clock_highest_us)
        stage->clock_highest_us = offset;
    MT_WAIT(stage->world,
            ms < 0 ? redis_seconds(stage) <= before : redis_seconds(stage) >= before + ms / 1000,
            "Redis' clock to jump");
}

void ch_act(struct ch_stage *stage, const struct ch_step *step) {
    char text[96];
    bool redis_is_away = stage->redis == NULL || stage->redis_paused;
    ch_step_text(step, text, sizeof text);
    ch_say(stage, "%s", text);
    if (!step->over)
        ch_count(stage, ch_action_name(step->action), 1);
    switch (step->action) {
    case CH_REDIS_KILL:
        redis_kill(stage, step);
        break;
    case CH_REDIS_PAUSE:
        ch_pause_redis(stage, !step->over);
        break;
    case CH_FLUSHALL:
        if (!redis_is_away)
            flush(stage);
        break;
    case CH_CLOCK:
        if (!redis_is_away)
            jump(stage, step->argument);
        break;
    case CH_CUT:
    case CH_STALL:
    case CH_DELAY:
        act_on_links(stage, step);
        break;
    case CH_QUIET:
    case CH_ACTIONS:
        break;
    default:
        act_on_actor(stage, step);
        break;
    }
}

void ch_heal(struct ch_stage *stage) {
    const struct ch_schedule *schedule = stage->schedule;
    ch_pause_redis(stage, false);
    if (stage->redis == NULL)
        ch_restart_redis(stage);
    atomic_store(stage->clock_us, stage->clock_highest_us);
    for (int i = 0; i < stage->links.count; i++)
        ch_links_tell(&stage->links, "heal %s", stage->links.list[i].name);
    for (unsigned i = 0; i < schedule->daemons; i++) {
        pause_actor(&stage->daemons[i], false);
        return_actor(stage, &stage->daemons[i], i, ch_start_daemon);
    }
    for (unsigned i = 0; i < schedule->sims; i++) {
        pause_actor(&stage->sims[i], false);
        return_actor(stage, &stage->sims[i], i, ch_start_sim);
    }
}
