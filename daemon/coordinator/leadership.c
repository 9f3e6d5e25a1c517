#include "coordinator/leadership.h"

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
#define RETRY_MS 250

struct owner {
    char name[MU_OWNER_SIZE];
    uint64_t moved;
    uint64_t leaderless;
    uint64_t since;
    uint64_t retry_at;
    UT_hash_handle hh; /* in the order of their turns */
};

struct owner_note {
    char name[MU_OWNER_SIZE];
    unsigned budget;
};

struct mu_leadership {
    struct mu_leadership_options options;
    struct owner *owners;
    bool pending;
    struct mu_pace pace;
};

struct mu_leadership *mu_leadership_create(const struct mu_leadership_options *options) {
    struct mu_leadership *self = mu_calloc(1, sizeof *self);
    self->options = *options;
    mu_pace_init(&self->pace, TARGET_US, 1, BUDGET_START, BUDGET_MAX);
    return self;
}

static void forget(struct mu_leadership *self, struct owner *owner) {
    HASH_DEL(self->owners, owner);
    free(owner);
}

void mu_leadership_stop(struct mu_leadership *self) {
    struct owner *owner = NULL;
    struct owner *next = NULL;
    HASH_ITER(hh, self->owners, owner, next) {
        forget(self, owner);
    }
    self->pending = false;
}

void mu_leadership_destroy(struct mu_leadership **leadership) {
    if (*leadership == NULL) {
        return;
    }
    mu_leadership_stop(*leadership);
    free(*leadership);
    *leadership = NULL;
}

static struct owner *find(const struct mu_leadership *self, const char *name) {
    struct owner *owner = NULL;
    HASH_FIND_STR(self->owners, name, owner);
    return owner;
}

void mu_leadership_move(struct mu_leadership *self, const char *name) {
    if (find(self, name) == NULL) {
        struct owner *owner = mu_calloc(1, sizeof *owner);
        snprintf(owner->name, sizeof owner->name, "%s", name);
        owner->since = mu_clock_boottime_ms();
        HASH_ADD_STR(self->owners, name, owner);
    }
    mu_leadership_tick(self, mu_clock_boottime_ms());
}

size_t mu_leadership_pending(const struct mu_leadership *self) {
    return HASH_COUNT(self->owners);
}

/* ---- looking for leads ---- */

static void on_look(void *context, const void *note, const redisReply *reply) {
    struct mu_leadership *self = context;
    const struct owner_note *about = note;
    if (reply != NULL && reply->type == REDIS_REPLY_INTEGER && reply->integer > 0) {
        mu_leadership_move(self, about->name);
    }
}

void mu_leadership_look(struct mu_leadership *self, const char *name) {
    char key[MU_KEY_SIZE];
    struct owner_note note = {.budget = 0};
    if (find(self, name) != NULL) {
        return;
    }
    snprintf(note.name, sizeof note.name, "%s", name);
    mu_key(key, mu_fence_name_space(self->options.fence),
           strchr(name, ':') == NULL ? "instance:%s:leads" : "ghosts:%s:leads", name);
    /* Not sent: the next survey comes. */
    (void)!mu_fence_read(self->options.fence, 2, (const char *const[]){"SCARD", key}, on_look, self,
                         (struct mu_note){&note, sizeof note});
}

static void survey_one(void *context, const struct mu_detector_instance *instance) {
    if (instance->suspect || instance->draining) {
        mu_leadership_look(context, instance->instance);
    }
}

void mu_leadership_survey(struct mu_leadership *self) {
    mu_detector_each(self->options.detector, survey_one, self);
}

/* ---- slices ---- */

static void finish(struct mu_leadership *self, struct owner *owner) {
    if (owner->moved > 0 || owner->leaderless > 0) {
        mu_histogram_add(&mu_fence_tally(self->options.fence)->moved, MU_HISTOGRAM_TIME,
                         (mu_clock_boottime_ms() - owner->since) * 1000);
        MU_LOG(self->options.log, MU_LOG_INFO, "leads.moved", MU_STR("owner", owner->name),
               MU_INT("moved", owner->moved), MU_INT("leaderless", owner->leaderless),
               MU_INT("ms", mu_clock_boottime_ms() - owner->since));
    }
    forget(self, owner);
}

/* To the end of the queue, so that each owner has its turn. */
static void requeue(struct mu_leadership *self, struct owner *owner, uint64_t retry_at) {
    owner->retry_at = retry_at;
    HASH_DEL(self->owners, owner);
    HASH_ADD_STR(self->owners, name, owner);
}

static void on_elected(void *context, const void *note, const struct mu_answer *answer,
                       uint64_t took_us) {
    struct mu_leadership *self = context;
    const struct owner_note *about = note;
    uint64_t now = mu_clock_boottime_ms();
    self->pending = false;
    struct owner *owner = find(self, about->name);
    json_t *object = mu_reply_object(answer);
    if (object != NULL) {
        uint64_t moved = mu_reply_number(object, "moved");
        uint64_t leaderless = mu_reply_number(object, "leaderless");
        uint64_t left = mu_reply_number(object, "left");
        mu_pace_measured(&self->pace, (unsigned)(moved + leaderless), took_us);
        mu_reply_undecided(object, self->options.on_undecided, self->options.context);
        if (owner != NULL) {
            owner->moved += moved;
            owner->leaderless += leaderless;
            mu_fence_tally(self->options.fence)->leaders_vacant += leaderless;
            mu_fence_tally(self->options.fence)->leaders_moved += moved;
            if (left == 0) {
                finish(self, owner);
            } else {
                /* A slice that only put sessions off will not do better at once. */
                bool stuck = moved + leaderless == 0 && mu_reply_number(object, "waiting") > 0;
                requeue(self, owner, stuck ? now + RETRY_MS : 0);
            }
        }
        json_decref(object);
    } else if (owner != NULL && answer->status == MUSTER_ALIVE) {
        finish(self, owner);
    } else if (owner != NULL) {
        MU_LOG(self->options.log, MU_LOG_WARN, "leads.not_moved", MU_STR("owner", owner->name),
               MU_STR("code", muster_status_code(answer->status)),
               MU_STR("message", answer->message));
        requeue(self, owner, now + RETRY_MS);
    }
    mu_leadership_tick(self, now);
}

void mu_leadership_tick(struct mu_leadership *self, uint64_t now) {
    if (self->pending || self->owners == NULL) {
        return;
    }
    struct owner *owner = NULL;
    struct owner *next = NULL;
    HASH_ITER(hh, self->owners, owner, next) {
        if (now >= owner->retry_at) {
            break;
        }
    }
    if (owner == NULL) {
        return;
    }
    struct owner_note note = {.budget = self->pace.budget};
    char budget[16];
    memcpy(note.name, owner->name, sizeof note.name);
    snprintf(budget, sizeof budget, "%u", note.budget);
    const char *arguments[] = {owner->name, budget};
    self->pending = mu_fence_write_timed(self->options.fence, "elect", 2, arguments, on_elected,
                                         self, (struct mu_note){&note, sizeof note});
}
