/* instance.c - one simulated backend: puts the parts together and decides between them.
 *
 * The way: subscriptions up - START - every connection entered (`entered`) - heartbeats and churn -
 * STOP. Its turns: UNKNOWN_INSTANCE or another generation begins a new incarnation, which enters
 * everything again (`restarting`); STALE_INCARNATION ends the process (`taken-over`, exit 3).
 */
#include "instance.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/ids.h"
#include "churn.h"
#include "entering.h"
#include "holding.h"
#include "journal.h"
#include "moving.h"
#include "plan.h"
#include "presence.h"
#include "report.h"
#include "watch.h"
#include "where.h"

#define TICK_MS 50
#define SIGNALS 4

enum state { CONNECTING, STARTING, RUNNING, STOPPING, ENDED };

static const char *const state_names[] = {"connecting", "starting", "running", "stopping", "ended"};

struct instance {
    const struct mu_sim_options *options;
    uv_loop_t loop;
    enum state state;
    int exit_code;
    char incarnation[MU_RANDOM_ID_SIZE];
    char generation[MU_ID_SIZE];
    bool entered;               /* this incarnation has entered everything once */
    bool churning;              /* wanted */
    bool hush;                  /* `quiet` is to be printed */
    bool hushing;               /* and its barrier is on its way */
    bool reporting;             /* the barrier of a report is on its way */
    bool link_down, watch_down; /* said so */
    struct mu_plan *plan;
    struct mu_journal *journal;
    struct mu_where *where;
    struct mu_speech *speech; /* NULL, as what follows, until it is known where to go */
    struct mu_watch *watch;
    struct mu_holding *holding;
    struct mu_entering *entering;
    struct mu_presence *presence;
    struct mu_churn churn;
    uv_timer_t tick;
    uv_timer_t stop_timer; /* --stop-after */
    uv_signal_t signals[SIGNALS];
};

static void end(struct instance *self, int exit_code);

static json_t *fields_of_reason(const char *reason) {
    json_t *fields = json_object();
    json_object_set_new(fields, "reason", json_string(reason));
    return fields;
}

/* ---- the report ---- */

static json_t *build_report(const struct instance *self, bool complete) {
    json_t *report = json_object();
    json_object_set_new(report, "instance", json_string(self->options->id));
    json_object_set_new(report, "incarnation", json_string(self->incarnation));
    json_object_set_new(report, "namespace", json_string(self->options->name_space));
    json_object_set_new(report, "generation", json_string(self->generation));
    json_object_set_new(report, "epoch",
                        json_integer((json_int_t)mu_presence_epoch(self->presence)));
    json_object_set_new(report, "seed", json_integer((json_int_t)self->options->seed));
    json_object_set_new(report, "state", json_string(state_names[self->state]));
    json_object_set_new(report, "settled", json_boolean(mu_entering_settled(self->entering)));
    json_object_set_new(report, "complete", json_boolean(complete));
    json_object_set_new(report, "totals", mu_holding_totals_json(self->holding));
    json_object_set_new(report, "connections", mu_holding_report(self->holding));
    json_object_set_new(report, "sessions", mu_watch_report(self->watch));
    mu_journal_report(self->journal, report);
    return report;
}

static void write_report(struct instance *self, bool complete) {
    json_t *fields = json_object();
    json_object_set_new(fields, "complete", json_boolean(complete));
    mu_watch_flush(self->watch);
    if (self->options->report_file) {
        struct mu_error error;
        json_t *report = build_report(self, complete);
        if (mu_report_write(self->options->report_file, report, &error) != MUSTER_OK)
            json_object_set_new(fields, "failed", json_string(error.text));
        json_decref(report);
    } else {
        json_object_set_new(fields, "failed", json_string("no --report was given"));
    }
    mu_journal_line(self->journal, "reported", fields);
}

static void on_report_barrier(void *context, bool complete) {
    struct instance *self = context;
    self->reporting = false;
    write_report(self, complete);
}

/* ---- quiet ---- */

static bool at_rest(const struct instance *self) {
    return self->state == RUNNING && mu_entering_settled(self->entering) &&
           mu_watch_settled(self->watch);
}

static void on_hush_barrier(void *context, bool complete) {
    struct instance *self = context;
    self->hushing = false;
    if (!self->hush || !complete || !at_rest(self))
        return; /* the next tick tries again */
    self->hush = false;
    mu_journal_line(self->journal, "quiet", mu_holding_totals_json(self->holding));
}

static void hush(struct instance *self) {
    if (!self->hush || self->hushing || self->reporting || !at_rest(self))
        return;
    self->hushing = true;
    mu_watch_barrier(self->watch, on_hush_barrier, self);
}

static void on_tick(uv_timer_t *timer) {
    struct instance *self = timer->data;
    if (self->churning && self->entered && self->state == RUNNING)
        mu_churn_run(&self->churn, mu_clock_monotonic_us());
    hush(self);
}

/* An instance that does not churn is asked for a quiet point each time. */
static void toggle_churn(struct instance *self) {
    self->churning = !self->churning && self->options->churn > 0;
    self->hush = !self->churning;
    mu_churn_reset(&self->churn, mu_clock_monotonic_us());
    if (self->churning)
        mu_journal_line(self->journal, "churning", NULL);
    else
        hush(self);
}

/* ---- incarnations ---- */

static void begin_incarnation(struct instance *self) {
    mu_random_id(self->incarnation);
    mu_journal_set_incarnation(self->journal, self->incarnation);
    self->state = STARTING;
    self->entered = false;
    self->churn.draining = false;
    mu_presence_start(self->presence, self->incarnation);
}

static void restart(struct instance *self, const char *reason) {
    mu_entering_halt(self->entering);
    mu_journal_excuse(self->journal);
    mu_journal_count(self->journal, "restarts", 1);
    mu_journal_line(self->journal, "restarting", fields_of_reason(reason));
    begin_incarnation(self);
}

/* A door does not show when Redis was away, so errors there wait for a heartbeat each time. */
static void trust(struct instance *self) {
    mu_journal_doubt(self->journal, mu_where_is_door(self->options));
}

static void on_started(void *context, const char *generation) {
    struct instance *self = context;
    bool other = strcmp(self->generation, generation) != 0;
    bool first = self->generation[0] == '\0';
    snprintf(self->generation, sizeof self->generation, "%s", generation);
    self->state = RUNNING;
    trust(self);
    json_t *fields = json_object();
    json_object_set_new(fields, "generation", json_string(generation));
    json_object_set_new(fields, "seed", json_integer((json_int_t)self->options->seed));
    mu_journal_line(self->journal, "started", fields);
    /* What was read between restart() and this answer: it was held against memberships of the
     * incarnation before. */
    mu_journal_excuse(self->journal);
    if (other && !first)
        mu_watch_new_generation(self->watch);
    mu_speech_set_incarnation(self->speech, self->incarnation);
    mu_entering_begin(self->entering, self->incarnation);
}

static void on_beat(void *context, const char *generation, uint64_t suspected);

static void on_lost(void *context, const char *reason) {
    restart(context, reason);
}

static void on_taken_over(void *context, const char *message) {
    struct instance *self = context;
    json_t *fields = fields_of_reason(muster_status_code(MUSTER_STALE_INCARNATION));
    json_object_set_new(fields, "message", json_string(message));
    mu_journal_line(self->journal, "taken-over", fields);
    end(self, MU_SIM_EXIT_TAKEN_OVER);
}

static void on_stopped(void *context, bool acknowledged) {
    struct instance *self = context;
    json_t *fields = json_object();
    json_object_set_new(fields, "acknowledged", json_boolean(acknowledged));
    mu_journal_line(self->journal, "stopped", fields);
    end(self, 0);
}

static void on_failed(void *context) {
    end(context, 1);
}

static void stop(struct instance *self) {
    if (self->state == ENDED)
        return;
    if (self->state == STOPPING) { /* asked twice: at once */
        end(self, 0);
        return;
    }
    self->state = STOPPING;
    mu_entering_halt(self->entering);
    mu_presence_stop(self->presence);
}

static void queue_again(void *context, uint32_t connection) {
    mu_entering_queue(((struct instance *)context)->entering, connection);
}

static void on_beat(void *context, const char *generation, uint64_t suspected) {
    struct instance *self = context;
    if (strcmp(generation, self->generation) != 0) {
        restart(self, "generation");
        return;
    }
    trust(self);
    if (mu_journal_verify(self->journal, suspected) > 0)
        mu_holding_recover(self->holding, queue_again, self);
}

/* ---- what entering and watching tell ---- */

static void on_refused(void *context, enum muster_status status) {
    struct instance *self = context;
    if (self->state != RUNNING)
        return;
    if (status == MUSTER_UNKNOWN_INSTANCE)
        restart(self, muster_status_code(status));
    else
        mu_presence_stale(self->presence);
}

static void on_view(void *context, uint32_t session, const struct mu_view *view) {
    mu_watch_reply(((struct instance *)context)->watch, session, view);
}

static void on_settled(void *context) {
    struct instance *self = context;
    if (self->state != RUNNING)
        return;
    if (!self->entered) {
        self->entered = true;
        mu_journal_line(self->journal, "entered", mu_holding_totals_json(self->holding));
        mu_churn_reset(&self->churn, mu_clock_monotonic_us());
    }
}

/* Does an event of instances or of the coordinator ask for a heartbeat, whose answer decides? */
static bool asks_for_beat(const struct instance *self, const struct mu_event *event) {
    if (strcmp(event->name, "survey") == 0 || event->kind == MU_EVENT_RESYNC)
        return true;
    if (strcmp(event->instance, self->options->id) != 0)
        return false;
    bool own = strcmp(event->incarnation, self->incarnation) == 0;
    if (strcmp(event->name, "instance.started") == 0)
        return !own; /* by another process, then */
    return own && (strcmp(event->name, "instance.suspect") == 0 ||
                   strcmp(event->name, "instance.dead") == 0 ||
                   strcmp(event->name, "instance.stopped") == 0);
}

static void on_event(void *context, const struct mu_event *event) {
    struct instance *self = context;
    if (self->state != RUNNING)
        return;
    if (strcmp(event->name, "generation.changed") == 0) {
        if (*event->generation && strcmp(event->generation, self->generation) != 0)
            restart(self, event->name);
    } else if (asks_for_beat(self, event)) {
        mu_presence_beat(self->presence);
    } else if (strcmp(event->incarnation, self->incarnation) == 0) {
        mu_journal_count(self->journal, "told_to_move",
                         mu_moving_event(&self->churn, self->plan, self->options->obey, event));
    }
}

static void on_left(void *context, uint32_t session, const struct mu_event *event) {
    mu_holding_saw_left(((struct instance *)context)->holding, session, event);
}

static void on_snapshot(void *context, uint32_t session, const struct mu_snapshot *snapshot) {
    mu_holding_saw_snapshot(((struct instance *)context)->holding, session, snapshot);
}

/* ---- connections to Redis ---- */

static void say_link(struct instance *self, const char *what, const char *link,
                     const struct mu_error *reason) {
    json_t *fields = json_object();
    json_object_set_new(fields, "link", json_string(link));
    if (reason)
        json_object_set_new(fields, "reason", json_string(reason->text));
    mu_journal_line(self->journal, what, fields);
}

static void on_speech_up(void *context) {
    struct instance *self = context;
    if (self->link_down)
        say_link(self, "link-up", "commands", NULL);
    self->link_down = false;
    mu_where_tell(self->where, true);
    mu_journal_doubt(self->journal, self->generation[0] != '\0');
    mu_presence_beat(self->presence);
}

static void on_speech_down(void *context, const struct mu_error *reason) {
    struct instance *self = context;
    if (!self->link_down)
        say_link(self, "link-down", "commands", reason);
    self->link_down = true;
    mu_journal_count(self->journal, "link_downs", 1);
    mu_where_tell(self->where, false);
}

/* The door may still carry out later what was asked of it: nothing of that may touch what we do
 * from now on. START is the same call again, so it needs no fence. */
static void on_speech_silent(void *context) {
    struct instance *self = context;
    if (self->state == RUNNING)
        restart(self, "door-silent");
}

static void on_watch_up(void *context) {
    struct instance *self = context;
    if (self->watch_down)
        say_link(self, "link-up", "events", NULL);
    self->watch_down = false;
    if (self->state == CONNECTING)
        begin_incarnation(self);
    else
        mu_presence_beat(self->presence);
}

static void on_watch_down(void *context, const struct mu_error *reason) {
    struct instance *self = context;
    if (!self->watch_down)
        say_link(self, "link-down", "events", reason);
    self->watch_down = true;
}

/* ---- life of the process ---- */

static void on_signal(uv_signal_t *handle, int number) {
    struct instance *self = handle->data;
    if (!self->speech) {
        if (number == SIGTERM || number == SIGINT)
            end(self, 0); /* there is nothing yet to be stopped or reported */
    } else if (number == SIGUSR1) {
        self->reporting = true;
        mu_watch_barrier(self->watch, on_report_barrier, self);
    } else if (number == SIGUSR2) {
        toggle_churn(self);
    } else {
        stop(self);
    }
}

static void on_stop_timer(uv_timer_t *timer) {
    stop(timer->data);
}

static void on_part_closed(void *context) {
    (void)context; /* the loop ends by itself once nothing is left in it */
}

static void end(struct instance *self, int exit_code) {
    if (self->state == ENDED)
        return;
    self->exit_code = exit_code;
    if (self->speech) {
        if (self->options->report_file)
            write_report(self, false);
        mu_entering_close(self->entering);
        mu_presence_close(self->presence);
        mu_watch_close(self->watch, on_part_closed, self);
        mu_speech_close(self->speech, on_part_closed, self);
    }
    self->state = ENDED;
    mu_where_close(self->where);
    uv_close((uv_handle_t *)&self->tick, NULL);
    uv_close((uv_handle_t *)&self->stop_timer, NULL);
    for (size_t i = 0; i < SIGNALS; i++)
        uv_close((uv_handle_t *)&self->signals[i], NULL);
}

static void create_plan(struct instance *self) {
    const struct mu_sim_options *options = self->options;
    const struct mu_plan_options plan = {
        .instance = options->id,
        .prefix = options->prefix,
        .session_prefix = options->session_prefix,
        .shared_ids = options->shared_ids,
        .lead = options->lead,
        .connections = (uint32_t)options->connections,
        .sessions = (uint32_t)options->sessions,
        .joins = (uint32_t)options->joins,
        .users = (uint32_t)options->users,
        .profile_bytes = (uint32_t)options->profile_bytes,
        .priority_min = (int)options->priority_min,
        .priority_max = (int)options->priority_max,
        .seed = options->seed,
    };
    self->plan = mu_plan_create(&plan);
}

static void create_calls(struct instance *self, const struct mu_redis_address *addresses,
                         size_t count) {
    const struct mu_sim_options *options = self->options;
    const struct mu_speech_options speech = {
        .loop = &self->loop,
        .addresses = addresses,
        .address_count = count,
        .door = mu_where_is_door(options),
        .name_space = options->name_space,
        .instance = options->id,
        .context = self,
        .on_up = on_speech_up,
        .on_down = on_speech_down,
        .on_silent = on_speech_silent,
    };
    self->speech = mu_speech_create(&speech);
    self->holding = mu_holding_create(self->plan, self->journal, options->id);
    const struct mu_entering_options entering = {
        .loop = &self->loop,
        .speech = self->speech,
        .journal = self->journal,
        .holding = self->holding,
        .plan = self->plan,
        .instance = options->id,
        .pace = options->pace,
        .context = self,
        .on_refused = on_refused,
        .on_view = on_view,
        .on_settled = on_settled,
    };
    self->entering = mu_entering_create(&entering);
    const struct mu_presence_options presence = {
        .loop = &self->loop,
        .speech = self->speech,
        .journal = self->journal,
        .instance = options->id,
        .heartbeat = options->heartbeat,
        .heartbeat_ms = options->heartbeat_ms,
        .context = self,
        .on_started = on_started,
        .on_beat = on_beat,
        .on_lost = on_lost,
        .on_taken_over = on_taken_over,
        .on_stopped = on_stopped,
        .on_failed = on_failed,
    };
    self->presence = mu_presence_create(&presence);
}

static bool create_watch(struct instance *self, const struct mu_redis_address *addresses,
                         size_t count, struct mu_error *error) {
    const struct mu_sim_options *options = self->options;
    const struct mu_watch_options watch = {
        .loop = &self->loop,
        .addresses = addresses,
        .address_count = count,
        .speech = self->speech,
        .journal = self->journal,
        .plan = self->plan,
        .instance = options->id,
        .events_file = options->events_file,
        .inbox = options->inbox && !mu_where_is_door(options),
        .follow = options->follow,
        .watch_all = options->watch_all,
        .context = self,
        .on_up = on_watch_up,
        .on_down = on_watch_down,
        .on_event = on_event,
        .on_left = on_left,
        .on_snapshot = on_snapshot,
    };
    self->watch = mu_watch_create(&watch, error);
    return self->watch != NULL;
}

static void on_place(void *context, const struct mu_redis_address *addresses, size_t count) {
    struct instance *self = context;
    struct mu_error error;
    if (self->speech) {
        mu_speech_move(self->speech, addresses);
        mu_watch_move(self->watch, addresses);
        return;
    }
    create_calls(self, addresses, count);
    if (!create_watch(self, addresses, count, &error)) {
        fprintf(stderr, "muster-sim: %s\n", error.text);
        exit(1);
    }
    self->churn.holding = self->holding;
    self->churn.entering = self->entering;
}

static void start_timers(struct instance *self) {
    static const int numbers[SIGNALS] = {SIGTERM, SIGINT, SIGUSR1, SIGUSR2};
    for (size_t i = 0; i < SIGNALS; i++) {
        uv_signal_init(&self->loop, &self->signals[i]);
        self->signals[i].data = self;
        uv_signal_start(&self->signals[i], on_signal, numbers[i]);
    }
    uv_timer_init(&self->loop, &self->tick);
    uv_timer_init(&self->loop, &self->stop_timer);
    self->tick.data = self->stop_timer.data = self;
    uv_timer_start(&self->tick, on_tick, TICK_MS, TICK_MS);
    if (self->options->stop_after_ms)
        uv_timer_start(&self->stop_timer, on_stop_timer, self->options->stop_after_ms, 0);
}

int mu_instance_run(const struct mu_sim_options *options) {
    struct instance *self = mu_calloc(1, sizeof *self);
    self->options = options;
    self->churning = options->churn > 0;
    signal(SIGPIPE, SIG_IGN);
    uv_loop_init(&self->loop);
    self->journal = mu_journal_create(STDOUT_FILENO, options->id);
    create_plan(self);
    start_timers(self); /* signals first: whoever started us may send one at once */
    self->churn = (struct mu_churn){
        .connections = (uint32_t)options->connections,
        .profiles = options->profile_bytes > 0,
        .rate = options->churn,
        .random = options->seed,
    };
    for (const char *at = options->id; *at; at++) /* each instance its own sequence */
        self->churn.random = mu_plan_random(&self->churn.random) ^ (unsigned char)*at;
    self->where = mu_where_create(&(struct mu_where_options){.loop = &self->loop,
                                                             .options = options,
                                                             .journal = self->journal,
                                                             .context = self,
                                                             .on_place = on_place});
    uv_run(&self->loop, UV_RUN_DEFAULT);
    uv_loop_close(&self->loop);
    int exit_code = self->exit_code;
    if (self->speech) {
        mu_watch_destroy(&self->watch);
        mu_speech_destroy(&self->speech);
        mu_presence_destroy(&self->presence);
        mu_entering_destroy(&self->entering);
        mu_holding_destroy(&self->holding);
    }
    mu_where_destroy(&self->where);
    mu_journal_destroy(&self->journal);
    mu_plan_destroy(&self->plan);
    free(self);
    return exit_code;
}
