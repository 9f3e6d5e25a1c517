#include "chaos/schedule.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* What may begin, how often in relation to others, and how long it lasts. */
struct kind {
    const char *name;
    unsigned weight;
    unsigned shortest_ms; /* 0: it has no end */
    unsigned longest_ms;
};

/* Suspicion comes after 1 s, death after 3 s, the lease ends after 1 s: some faults end before
 * each of them, some after. */
static const struct kind kinds[CH_ACTIONS] = {
    [CH_SIM_KILL] = {"sim-kill", 6, 100, 4500},
    [CH_SIM_PAUSE] = {"sim-pause", 6, 100, 4500},
    [CH_SIM_TERM] = {"sim-term", 3, 100, 2000},
    [CH_DAEMON_KILL] = {"daemon-kill", 5, 100, 3000},
    [CH_DAEMON_PAUSE] = {"daemon-pause", 5, 100, 4000},
    [CH_DAEMON_TERM] = {"daemon-term", 3, 200, 2000},
    [CH_REDIS_KILL] = {"redis-kill", 2, 50, 1500},
    [CH_REDIS_PAUSE] = {"redis-pause", 2, 100, 3000},
    [CH_MASTER_KILL] = {"master-kill", 3, 200, 6000},
    [CH_MASTER_PAUSE] = {"master-pause", 0, 200, 6000},
    [CH_FAILOVER] = {"failover", 3, 0, 0},
    [CH_SENTINEL_PAUSE] = {"sentinel-pause", 2, 200, 4000},
    [CH_FLUSHALL] = {"flushall", 2, 0, 0},
    [CH_CLOCK] = {"clock", 4, 0, 0},
    [CH_CUT] = {"cut", 6, 50, 4500},
    [CH_STALL] = {"stall", 6, 100, 4500},
    [CH_DELAY] = {"delay", 5, 500, 4000},
    [CH_DROP] = {"drop", 8, 200, 4500},
    [CH_QUIET] = {"quiet", 0, 0, 0},
};

const char *ch_action_name(enum ch_action action) {
    return kinds[action].name;
}

struct maker {
    struct ch_schedule *schedule;
    uint64_t state;
    unsigned sim_busy[CH_MOST_SIMS]; /* until when the process is under a fault */
    unsigned daemon_busy[CH_MOST_DAEMONS];
    unsigned link_busy[2][CH_MOST_SIMS];
    unsigned redis_busy;
    unsigned sentinel_busy;
};

/* splitmix64 */
static uint64_t draw(struct maker *maker) {
    uint64_t z = (maker->state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static unsigned between(struct maker *maker, unsigned lowest, unsigned highest) {
    return lowest + (unsigned)(draw(maker) % (highest - lowest + 1));
}

/* Short ones are more frequent than long ones. */
static unsigned lasting(struct maker *maker, const struct kind *kind) {
    unsigned longest = between(maker, kind->shortest_ms, kind->longest_ms);
    return between(maker, kind->shortest_ms, longest);
}

static bool allowed(const struct ch_schedule *schedule, enum ch_action action) {
    switch (action) {
    case CH_REDIS_KILL:
        return !schedule->sentinel;
    case CH_REDIS_PAUSE:
        return !schedule->sentinel && !schedule->packets; /* it must obey when a drop ends */
    case CH_MASTER_KILL:
    case CH_MASTER_PAUSE:
    case CH_FAILOVER:
    case CH_SENTINEL_PAUSE:
        return schedule->sentinel;
    case CH_CLOCK:
        return schedule->clock;
    case CH_DROP:
        return schedule->packets;
    case CH_FLUSHALL:
        return !schedule->clock;
    case CH_QUIET:
    case CH_ACTIONS:
        return false;
    default:
        return true;
    }
}

static enum ch_action choose(struct maker *maker) {
    unsigned total = 0;
    for (int i = 0; i < CH_ACTIONS; i++)
        total += allowed(maker->schedule, (enum ch_action)i) ? kinds[i].weight : 0;
    unsigned left = between(maker, 0, total - 1);
    for (int i = 0; i < CH_ACTIONS; i++) {
        unsigned weight = allowed(maker->schedule, (enum ch_action)i) ? kinds[i].weight : 0;
        if (left < weight)
            return (enum ch_action)i;
        left -= weight;
    }
    return CH_SIM_KILL;
}

/* The end of what the step's target is under, to be set; NULL: nothing of it can be in the way. */
static unsigned *busy_of(struct maker *maker, const struct ch_step *step) {
    switch (step->action) {
    case CH_SIM_KILL:
    case CH_SIM_PAUSE:
    case CH_SIM_TERM:
        return &maker->sim_busy[step->target];
    case CH_DAEMON_KILL:
    case CH_DAEMON_PAUSE:
    case CH_DAEMON_TERM:
        return &maker->daemon_busy[step->target];
    case CH_CUT:
    case CH_STALL:
    case CH_DELAY:
        return &maker->link_busy[step->side][step->target];
    case CH_DROP:
        return &maker->link_busy[CH_OF_DAEMON][step->target];
    case CH_SENTINEL_PAUSE:
        return &maker->sentinel_busy;
    default:
        return &maker->redis_busy;
    }
}

static void add(struct ch_schedule *schedule, const struct ch_step *step) {
    if (schedule->count < CH_MOST_STEPS)
        schedule->steps[schedule->count++] = *step;
}

/* Who follows sentinels goes to the master itself, not through the proxy; so do daemons whose
 * packets are dropped. */
static void aim_at_link(struct maker *maker, struct ch_step *step) {
    const struct ch_schedule *schedule = maker->schedule;
    bool daemons = !schedule->sentinel && !schedule->packets;
    step->side = daemons && between(maker, 0, 2) == 0 ? CH_OF_DAEMON : CH_OF_SIM;
    step->target =
        between(maker, 0, (step->side == CH_OF_DAEMON ? schedule->daemons : schedule->sims) - 1);
    if (schedule->sentinel)
        step->target |= 1U; /* at doors */
}

static void aim(struct maker *maker, struct ch_step *step) {
    const struct ch_schedule *schedule = maker->schedule;
    static const int jumps[] = {-3600000, -60000, -5000, -1000, 500, 2000, 30000, 3600000};
    switch (step->action) {
    case CH_SIM_KILL:
    case CH_SIM_PAUSE:
    case CH_SIM_TERM:
        step->target = between(maker, 0, schedule->sims - 1);
        break;
    case CH_DAEMON_KILL:
    case CH_DAEMON_PAUSE:
    case CH_DAEMON_TERM:
        step->target = between(maker, 0, schedule->daemons - 1);
        break;
    case CH_CUT:
    case CH_STALL:
    case CH_DELAY:
        aim_at_link(maker, step);
        step->argument = step->action == CH_DELAY ? (int)between(maker, 5, 200) : 0;
        step->which = between(maker, 0, 1) == 0 ? 0 : between(maker, 1, schedule->daemons);
        if (step->side == CH_OF_DAEMON || !ch_at_door(schedule, step->target))
            step->which = 0;
        break;
    case CH_DROP:
        step->side = CH_OF_DAEMON;
        step->of_replica = schedule->sentinel;
        step->target = step->of_replica ? 0 : between(maker, 0, schedule->daemons - 1);
        break;
    case CH_SENTINEL_PAUSE:
        step->target = between(maker, 0, 2);
        break;
    case CH_CLOCK:
        step->argument = jumps[between(maker, 0, sizeof jumps / sizeof *jumps - 1)];
        break;
    default:
        break;
    }
}

/* A fault, and its end unless a quiet point ends it before. */
static void make_fault(struct maker *maker, unsigned at_ms, unsigned end_ms) {
    struct ch_step step = {.at_ms = at_ms, .action = choose(maker)};
    const struct kind *kind = &kinds[step.action];
    aim(maker, &step);
    unsigned until = kind->longest_ms == 0 ? at_ms : at_ms + lasting(maker, kind);
    unsigned *busy = busy_of(maker, &step);
    if (*busy >= at_ms)
        return;
    *busy = until;
    if (step.action >= CH_MASTER_KILL && step.action <= CH_FAILOVER)
        *busy = end_ms; /* sentinels take seconds, and no second failover soon after the first */
    add(maker->schedule, &step);
    step.over = true;
    step.at_ms = until;
    if (kind->longest_ms > 0 && until < end_ms)
        add(maker->schedule, &step);
}

static int by_time(const void *left, const void *right) {
    const struct ch_step *a = left;
    const struct ch_step *b = right;
    if (a->at_ms != b->at_ms)
        return a->at_ms < b->at_ms ? -1 : 1;
    if (a->over != b->over)
        return a->over ? -1 : 1;
    if (a->action != b->action)
        return a->action < b->action ? -1 : 1;
    if (a->side != b->side)
        return a->side < b->side ? -1 : 1;
    return a->target < b->target ? -1 : a->target > b->target;
}

static void make_phase(struct maker *maker, unsigned begin_ms, unsigned end_ms) {
    unsigned first = maker->schedule->count;
    unsigned at = begin_ms + between(maker, 10, 500);
    while (at < end_ms) {
        make_fault(maker, at, end_ms);
        at += between(maker, 0, 600);
    }
    qsort(maker->schedule->steps + first, maker->schedule->count - first,
          sizeof *maker->schedule->steps, by_time);
    add(maker->schedule, &(struct ch_step){.at_ms = end_ms, .action = CH_QUIET});
    memset(maker->sim_busy, 0, sizeof maker->sim_busy);
    memset(maker->daemon_busy, 0, sizeof maker->daemon_busy);
    memset(maker->link_busy, 0, sizeof maker->link_busy);
    maker->redis_busy = 0;
    maker->sentinel_busy = 0;
}

bool ch_at_door(const struct ch_schedule *schedule, unsigned sim) {
    return schedule->doors && sim % 2 == 1;
}

void ch_schedule_make(struct ch_schedule *schedule, uint64_t seed, unsigned duration_ms) {
    struct maker maker = {.schedule = schedule, .state = seed};
    memset(schedule, 0, sizeof *schedule);
    schedule->seed = seed;
    schedule->duration_ms = duration_ms;
    schedule->daemons = between(&maker, 2, CH_MOST_DAEMONS);
    schedule->sims = 2 * between(&maker, 2, 3);
    schedule->sentinel = between(&maker, 0, 3) == 0;
    schedule->clock = !schedule->sentinel && between(&maker, 0, 3) == 0;
    schedule->durable = schedule->sentinel || schedule->clock || between(&maker, 0, 2) > 0;
    schedule->doors = schedule->sentinel || between(&maker, 0, 3) > 0;
    struct maker other = {.state = ~seed}; /* the others' schedules stay what they were */
    schedule->packets = !schedule->clock && between(&other, 0, 3) == 0;
    unsigned middle = duration_ms / 2;
    if (!schedule->sentinel && between(&maker, 0, 1) == 0) {
        make_phase(&maker, 0, middle);
        make_phase(&maker, middle, duration_ms);
    } else {
        make_phase(&maker, 0, duration_ms);
    }
}

static void link_text(const struct ch_step *step, char *text, size_t size) {
    int used =
        snprintf(text, size, "%s%s %s-%u", step->over ? "end of " : "", kinds[step->action].name,
                 step->side == CH_OF_SIM ? "sim" : "daemon", step->target + 1);
    if (step->which > 0)
        used += snprintf(text + used, size - (size_t)used, " to daemon-%u", step->which);
    if (step->action == CH_DELAY && !step->over)
        snprintf(text + used, size - (size_t)used, " by up to %d ms", 2 * step->argument);
}

void ch_step_text(const struct ch_step *step, char *text, size_t size) {
    const char *name = kinds[step->action].name;
    const char *over = step->over ? "end of " : "";
    switch (step->action) {
    case CH_SIM_KILL:
    case CH_SIM_PAUSE:
    case CH_SIM_TERM:
    case CH_DAEMON_KILL:
    case CH_DAEMON_PAUSE:
    case CH_DAEMON_TERM:
    case CH_SENTINEL_PAUSE:
        snprintf(text, size, "%s%s %u", over, name, step->target + 1);
        break;
    case CH_CUT:
    case CH_STALL:
    case CH_DELAY:
        link_text(step, text, size);
        break;
    case CH_DROP:
        if (step->of_replica)
            snprintf(text, size, "%s%s the replica's packets", over, name);
        else
            snprintf(text, size, "%s%s packets of daemon-%u", over, name, step->target + 1);
        break;
    case CH_CLOCK:
        snprintf(text, size, "%s by %+d ms", name, step->argument);
        break;
    default:
        snprintf(text, size, "%s%s", over, name);
        break;
    }
}

void ch_schedule_print(const struct ch_schedule *schedule, FILE *file) {
    char text[96];
    fprintf(file, "seed %" PRIu64 ": %u ms, %u daemons, %u sims%s, %s Redis%s%s\n", schedule->seed,
            schedule->duration_ms, schedule->daemons, schedule->sims,
            schedule->doors ? ", some at doors" : "", schedule->durable ? "durable" : "volatile",
            schedule->sentinel ? " with a replica and sentinels"
            : schedule->clock  ? ", its clock jumps"
                               : "",
            schedule->packets ? ", packets vanish" : "");
    for (unsigned i = 0; i < schedule->count; i++) {
        ch_step_text(&schedule->steps[i], text, sizeof text);
        fprintf(file, "%8u ms  %s\n", schedule->steps[i].at_ms, text);
    }
}
