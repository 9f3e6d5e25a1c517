#include "chaos/act.h"

#include <signal.h>

#include "chaos/store.h"

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

/* Redis gives up the connections whose packets were dropped, so that nothing arrives late of what
 * its sender has given up. */
static void close_dropped(struct ch_stage *stage, unsigned daemon) {
    if (stage->port == 0 || stage->redis == NULL)
        return;
    mt_command(stage->redis, "CLIENT KILL LADDR " CH_DAEMON_NET "%u:%d", daemon + 1, stage->port);
    mt_redis_forget(stage->redis);
}

static void heal_packets(struct ch_stage *stage) {
    for (unsigned i = 0; i < stage->schedule->daemons; i++)
        if ((stage->packets.dropped >> i & 1) != 0)
            close_dropped(stage, i);
    ch_packets_heal(&stage->packets);
}

static void drop_packets(struct ch_stage *stage, const struct ch_step *step) {
    if (step->over && !step->of_replica)
        close_dropped(stage, step->target);
    ch_packets_drop(&stage->packets, step->of_replica ? CH_PACKETS_REPLICA : step->target,
                    !step->over);
}

void ch_act(struct ch_stage *stage, const struct ch_step *step) {
    char text[96];
    bool skipped = step->action == CH_DROP && !stage->drops;
    ch_step_text(step, text, sizeof text);
    ch_say(stage, "%s%s", text, skipped ? ": skipped" : "");
    if (skipped) {
        ch_count(stage, CH_SKIPPED_DROPS, 1);
        return;
    }
    if (!step->over)
        ch_count(stage, ch_action_name(step->action), 1);
    switch (step->action) {
    case CH_CUT:
    case CH_STALL:
    case CH_DELAY:
        act_on_links(stage, step);
        break;
    case CH_DROP:
        drop_packets(stage, step);
        break;
    case CH_SIM_KILL:
    case CH_SIM_PAUSE:
    case CH_SIM_TERM:
    case CH_DAEMON_KILL:
    case CH_DAEMON_PAUSE:
    case CH_DAEMON_TERM:
        act_on_actor(stage, step);
        break;
    default:
        ch_store_act(stage, step);
        break;
    }
}

void ch_heal(struct ch_stage *stage) {
    const struct ch_schedule *schedule = stage->schedule;
    if (stage->drops)
        heal_packets(stage);
    ch_store_heal(stage);
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
