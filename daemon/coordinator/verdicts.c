#include "coordinator/verdicts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "coordinator/reply.h"

#define AT_ONCE 32 /* verdicts in one turn; each is a constant amount of work for Redis */

#define OWNER_SIZE (2 * MU_ID_SIZE)

struct mu_verdicts {
    struct mu_verdicts_options options;
};

struct mu_verdicts *mu_verdicts_create(const struct mu_verdicts_options *options) {
    struct mu_verdicts *verdicts = mu_calloc(1, sizeof *verdicts);
    verdicts->options = *options;
    return verdicts;
}

void mu_verdicts_destroy(struct mu_verdicts **verdicts) {
    free(*verdicts);
    *verdicts = NULL;
}

/* Two ids and two numbers: it always fits. */
void mu_verdict_why(char out[MU_WHY_SIZE], const struct mu_verdict *verdict,
                    const char *coordinator) {
    char lifeline[MU_ID_SIZE + 64] = "";
    if (strcmp(verdict->cause, "lifeline") == 0) {
        snprintf(lifeline, sizeof lifeline, ",\"daemon\":\"%s\",\"quiet_ms\":%" PRIu64,
                 verdict->daemon, verdict->quiet_ms);
    }
    snprintf(out, MU_WHY_SIZE,
             "{\"signal\":\"%s\",\"silent_ms\":%" PRIu64
             ",\"heard_by\":\"%s\"%s,\"coordinator\":\"%s\"}",
             verdict->cause, verdict->silent_ms, verdict->heard_by, lifeline, coordinator);
}

static void count_suspicion(struct mu_tally *tally, const char *cause) {
    if (strcmp(cause, "lifeline") == 0) {
        tally->suspected_lifeline++;
    } else if (strcmp(cause, "inbox") == 0) {
        tally->suspected_inbox++;
    } else {
        tally->suspected_silence++;
    }
}

static void carried_out(struct mu_verdicts *verdicts, const struct mu_verdict *verdict,
                        const json_t *object) {
    const struct mu_verdicts_options *options = &verdicts->options;
    struct mu_tally *tally = mu_fence_tally(options->fence);
    uint64_t leads = mu_reply_number(object, "leads");
    char owner[OWNER_SIZE];
    if (verdict->kind == MU_VERDICT_SUSPECT) {
        count_suspicion(tally, verdict->cause);
        MU_LOG(options->log, MU_LOG_WARN, "instance.suspected",
               MU_STR("instance", verdict->instance), MU_STR("incarnation", verdict->incarnation),
               MU_STR("cause", verdict->cause), MU_INT("silent_ms", verdict->silent_ms),
               MU_STR("heard_by", verdict->heard_by), MU_STR("daemon", verdict->daemon),
               MU_INT("leads", leads));
        snprintf(owner, sizeof owner, "%s", verdict->instance);
    } else {
        tally->buried++;
        MU_LOG(options->log, MU_LOG_WARN, "instance.buried", MU_STR("instance", verdict->instance),
               MU_STR("incarnation", verdict->incarnation), MU_INT("silent_ms", verdict->silent_ms),
               MU_STR("heard_by", verdict->heard_by),
               MU_INT("connections", mu_reply_number(object, "connections")),
               MU_INT("leads", leads));
        snprintf(owner, sizeof owner, "%s:%s", verdict->instance, verdict->incarnation);
        options->on_ghost(options->context);
    }
    if (leads > 0) {
        options->on_leads(options->context, owner, leads);
    }
}

static void refused(struct mu_verdicts *verdicts, const struct mu_verdict *verdict,
                    const struct mu_answer *answer) {
    bool harmless = answer->status == MUSTER_ALIVE || answer->status == MUSTER_UNKNOWN_INSTANCE ||
                    answer->status == MUSTER_STALE_INCARNATION;
    mu_fence_tally(verdicts->options.fence)->verdicts_refused++;
    MU_LOG(verdicts->options.log, harmless ? MU_LOG_DEBUG : MU_LOG_WARN, "verdict.refused",
           MU_STR("verdict", verdict->kind == MU_VERDICT_SUSPECT ? "suspect" : "bury"),
           MU_STR("instance", verdict->instance),
           MU_STR("code", muster_status_code(answer->status)), MU_STR("message", answer->message));
}

static void on_answer(void *context, const void *note, const struct mu_answer *answer,
                      uint64_t took_us) {
    struct mu_verdicts *verdicts = context;
    const struct mu_verdict *verdict = note;
    (void)took_us;
    bool poll = mu_detector_result(verdicts->options.detector, mu_clock_boottime_ms(), verdict,
                                   answer->status);
    if (answer->status == MUSTER_OK) {
        json_t *object = mu_reply_object(answer);
        carried_out(verdicts, verdict, object);
        json_decref(object);
    } else {
        refused(verdicts, verdict, answer);
    }
    if (poll) {
        verdicts->options.on_moved(verdicts->options.context);
    }
}

static bool carry(struct mu_verdicts *verdicts, const struct mu_verdict *verdict) {
    bool bury = verdict->kind == MU_VERDICT_BURY;
    char why[MU_WHY_SIZE];
    mu_verdict_why(why, verdict, verdicts->options.id);
    const char *arguments[] = {verdict->instance, verdict->incarnation, verdict->score,
                               bury ? "instance-dead" : why, why};
    return mu_fence_write(verdicts->options.fence, bury ? "bury" : "suspect", bury ? 5 : 4,
                          arguments, on_answer, verdicts,
                          (struct mu_note){verdict, sizeof *verdict});
}

void mu_verdicts_tick(struct mu_verdicts *verdicts, uint64_t now) {
    struct mu_detector *detector = verdicts->options.detector;
    struct mu_brake *brake = verdicts->options.brake;
    struct mu_brake_view view;
    if (!mu_detector_view(detector, now, mu_brake_cleared(brake), &view)) {
        mu_brake_tick(brake, now, view.instances);
        return;
    }
    struct mu_verdict due[AT_ONCE];
    uint64_t permit = mu_brake_judge(brake, now, &view);
    if (mu_braking_lags(verdicts->options.braking)) {
        return; /* it is told in this turn; the next one goes on */
    }
    size_t count = mu_detector_tick(detector, now, permit, due, AT_ONCE);
    for (size_t i = 0; i < count; i++) {
        if (!carry(verdicts, &due[i])) {
            (void)mu_detector_result(verdicts->options.detector, now, &due[i], MUSTER_UNAVAILABLE);
        }
    }
}
