#include "coordinator/drainer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/table.h"
#include "coordinator/pace.h"
#include "coordinator/reply.h"

#define BUDGET_START 32
#define BUDGET_MAX 512
#define TARGET_US 1000
#define GAP_MS 100   /* between two calls that tell somebody */
#define IDLE_MS 1000 /* between two while nobody is to be told */
#define RETRY_MS 250
#define STALL_MS 1000 /* what a longer pause would have allowed is forgotten */
#define ONE 1000      /* credit for one connection */

struct drain {
    char instance[MU_ID_SIZE];
    char incarnation[MU_ID_SIZE];
    uint64_t rate;      /* connections a second */
    int64_t credit;     /* thousandths of a connection; below 0: it told too many */
    uint64_t earned_at; /* boottime ms: the credit is of then */
    uint64_t next_at;
    uint64_t round;
    uint64_t told; /* in this tenure, for the log */
    bool pending;
    bool empty; /* was, when last looked at */
    UT_hash_handle hh;
};

struct drain_note {
    char instance[MU_ID_SIZE];
    unsigned budget;
};

struct mu_drainer {
    struct mu_fence *fence;
    struct mu_detector *detector;
    struct mu_log *log;
    struct drain *drains;
    struct mu_pace pace;
};

struct mu_drainer *mu_drainer_create(struct mu_fence *fence, struct mu_detector *detector,
                                     struct mu_log *log) {
    struct mu_drainer *self = mu_calloc(1, sizeof *self);
    self->fence = fence;
    self->detector = detector;
    self->log = log;
    mu_pace_init(&self->pace, TARGET_US, 1, BUDGET_START, BUDGET_MAX);
    return self;
}

static void forget(struct mu_drainer *self, struct drain *drain) {
    HASH_DEL(self->drains, drain);
    free(drain);
}

void mu_drainer_stop(struct mu_drainer *self) {
    struct drain *drain = NULL;
    struct drain *next = NULL;
    HASH_ITER(hh, self->drains, drain, next) {
        forget(self, drain);
    }
}

void mu_drainer_destroy(struct mu_drainer **drainer) {
    if (*drainer == NULL) {
        return;
    }
    mu_drainer_stop(*drainer);
    free(*drainer);
    *drainer = NULL;
}

static struct drain *find(const struct mu_drainer *self, const char *instance) {
    struct drain *drain = NULL;
    HASH_FIND_STR(self->drains, instance, drain);
    return drain;
}

size_t mu_drainer_count(const struct mu_drainer *self) {
    return HASH_COUNT(self->drains);
}

/* ---- looking for drains ---- */

static const char *text_at(const redisReply *reply, size_t index) {
    const redisReply *element = reply->element[index];
    return element->type == REDIS_REPLY_STRING ? element->str : "";
}

static void on_look(void *context, const void *note, const redisReply *reply) {
    struct mu_drainer *self = context;
    const struct drain_note *about = note;
    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY || reply->elements != 3) {
        return; /* the next survey comes */
    }
    const char *incarnation = text_at(reply, 0);
    uint64_t rate = strtoull(text_at(reply, 2), NULL, 10);
    if (rate == 0 || strcmp(text_at(reply, 1), "1") != 0 ||
        !mu_id_valid(incarnation, strlen(incarnation)) || find(self, about->instance) != NULL) {
        return;
    }
    struct drain *drain = mu_calloc(1, sizeof *drain);
    memcpy(drain->instance, about->instance, sizeof drain->instance);
    snprintf(drain->incarnation, sizeof drain->incarnation, "%s", incarnation);
    drain->rate = rate;
    drain->earned_at = mu_clock_boottime_ms();
    drain->next_at = drain->earned_at + GAP_MS;
    HASH_ADD_STR(self->drains, instance, drain);
    MU_LOG(self->log, MU_LOG_INFO, "drain.begins", MU_STR("instance", drain->instance),
           MU_STR("incarnation", drain->incarnation), MU_INT("rate", rate));
}

void mu_drainer_look(struct mu_drainer *self, const char *instance) {
    char key[MU_KEY_SIZE];
    struct drain_note note = {.budget = 0};
    struct drain *drain = find(self, instance);
    if (drain != NULL) {
        drain->next_at = 0; /* its answer will say what is new */
        return;
    }
    snprintf(note.instance, sizeof note.instance, "%s", instance);
    mu_key(key, mu_fence_name_space(self->fence), "instance:%s", instance);
    const char *arguments[] = {"HMGET", key, "incarnation", "draining", "drain_rate"};
    /* Not sent: the next survey comes. */
    (void)!mu_fence_read(self->fence, 5, arguments, on_look, self,
                         (struct mu_note){&note, sizeof note});
}

static void survey_one(void *context, const struct mu_detector_instance *instance) {
    struct mu_drainer *self = context;
    if (instance->draining && find(self, instance->instance) == NULL) {
        mu_drainer_look(self, instance->instance);
    }
}

void mu_drainer_survey(struct mu_drainer *self) {
    mu_detector_each(self->detector, survey_one, self);
}

/* ---- the pace ---- */

static void earn(struct drain *drain, uint64_t now) {
    uint64_t passed = now - drain->earned_at;
    int64_t most = (int64_t)(drain->rate * STALL_MS);
    int64_t earned = (int64_t)(drain->rate * (passed < STALL_MS ? passed : STALL_MS));
    drain->earned_at = now;
    drain->credit = drain->credit + earned < most ? drain->credit + earned : most;
}

/* ---- telling ---- */

static void log_round(struct mu_drainer *self, struct drain *drain, const json_t *object) {
    uint64_t left = mu_reply_number(object, "left");
    uint64_t round = mu_reply_number(object, "round");
    if (round != drain->round) {
        drain->round = round;
        MU_LOG(self->log, MU_LOG_INFO, "drain.told", MU_STR("instance", drain->instance),
               MU_INT("round", round), MU_INT("told", drain->told), MU_INT("left", left));
        drain->told = 0;
    }
    if (left == 0 && !drain->empty) {
        MU_LOG(self->log, MU_LOG_INFO, "drain.empty", MU_STR("instance", drain->instance));
    }
    drain->empty = left == 0;
}

static void on_step(struct mu_drainer *self, struct drain *drain, const json_t *object,
                    uint64_t now) {
    uint64_t told = mu_reply_number(object, "told");
    uint64_t wait = mu_reply_number(object, "wait");
    drain->rate = mu_reply_number(object, "rate");
    drain->told += told;
    mu_fence_tally(self->fence)->drain_told += told;
    drain->credit -= (int64_t)told * ONE;
    log_round(self, drain, object);
    if (drain->empty || wait > 0) {
        drain->next_at = now + (!drain->empty && wait < IDLE_MS ? wait : IDLE_MS);
    } else {
        bool cut =
            drain->credit >= ONE && told > 0; /* the slice was smaller than the rate allows */
        drain->next_at = cut ? now : now + GAP_MS;
    }
    if (told == 0 && drain->credit > 0) {
        drain->credit = 0; /* nothing is saved up while nobody may be told */
    }
}

static void on_moved(void *context, const void *note, const struct mu_answer *answer,
                     uint64_t took_us) {
    struct mu_drainer *self = context;
    const struct drain_note *about = note;
    uint64_t now = mu_clock_boottime_ms();
    struct drain *drain = find(self, about->instance);
    json_t *object = mu_reply_object(answer);
    if (object != NULL) {
        mu_pace_measured(&self->pace, (unsigned)mu_reply_number(object, "told"), took_us);
    }
    if (drain == NULL) {
        json_decref(object);
        return;
    }
    drain->pending = false;
    if (object != NULL) {
        on_step(self, drain, object, now);
    } else if (answer->status == MUSTER_ALIVE || answer->status == MUSTER_UNKNOWN_INSTANCE ||
               answer->status == MUSTER_STALE_INCARNATION) {
        MU_LOG(self->log, MU_LOG_INFO, "drain.ends", MU_STR("instance", drain->instance),
               MU_STR("code", muster_status_code(answer->status)));
        forget(self, drain);
    } else {
        MU_LOG(self->log, MU_LOG_WARN, "drain.failed", MU_STR("instance", drain->instance),
               MU_STR("code", muster_status_code(answer->status)),
               MU_STR("message", answer->message));
        drain->next_at = now + RETRY_MS;
    }
    json_decref(object);
}

static void tell(struct mu_drainer *self, struct drain *drain) {
    struct drain_note note = {.budget = self->pace.budget};
    char budget[16];
    int64_t allowed = drain->credit / ONE;
    note.budget = allowed < (int64_t)note.budget ? (unsigned)allowed : note.budget;
    memcpy(note.instance, drain->instance, sizeof note.instance);
    snprintf(budget, sizeof budget, "%u", note.budget);
    const char *arguments[] = {drain->instance, drain->incarnation, budget};
    drain->pending = mu_fence_write_timed(self->fence, "move", 3, arguments, on_moved, self,
                                          (struct mu_note){&note, sizeof note});
}

void mu_drainer_tick(struct mu_drainer *self, uint64_t now) {
    struct drain *drain = NULL;
    struct drain *next = NULL;
    HASH_ITER(hh, self->drains, drain, next) {
        if (drain->pending || now < drain->next_at) {
            continue;
        }
        earn(drain, now);
        if (drain->credit >= ONE) {
            tell(self, drain);
        }
    }
}
