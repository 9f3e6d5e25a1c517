#include "coordinator/reaper.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/table.h"
#include "coordinator/pace.h"
#include "coordinator/reply.h"

#define BUDGET_START 16
#define BUDGET_MAX 4096
#define TARGET_US 750 /* less than others: it goes on for longest, beside elections and sweeps */
#define RETRY_MS 250
#define STUCK_SLICES 64 /* so many without any progress: a pause */
#define EARLY_MAX_MS 1000
#define GHOSTS_AT_ONCE 1000
#define GHOST_SIZE (2 * MU_ID_SIZE)
#define CURSOR_SIZE 24

struct ghost {
    char name[GHOST_SIZE];
    char cursor[CURSOR_SIZE];
    bool listed; /* in the last reading */
    unsigned stuck;
    uint64_t retry_at; /* not before; boottime ms */
    uint64_t began_at; /* 0: not yet */
    uint64_t removed;
    uint64_t connections;
    uint64_t quarantined;
    UT_hash_handle hh; /* in the order of `ghosts` */
};

struct ghost_note {
    char name[GHOST_SIZE];
};

struct mu_reaper {
    struct mu_reaper_options options;
    struct ghost *ghosts;
    bool active;
    bool hinted;
    bool reading;
    bool pending; /* a slice is under way */
    uint64_t read_at;
    struct mu_pace pace;
};

struct mu_reaper *mu_reaper_create(const struct mu_reaper_options *options) {
    struct mu_reaper *self = mu_calloc(1, sizeof *self);
    self->options = *options;
    mu_pace_init(&self->pace, TARGET_US, 1, BUDGET_START, BUDGET_MAX);
    return self;
}

static void forget(struct mu_reaper *self, struct ghost *ghost) {
    HASH_DEL(self->ghosts, ghost);
    free(ghost);
}

void mu_reaper_start(struct mu_reaper *self) {
    self->active = true;
    self->hinted = true;
}

void mu_reaper_stop(struct mu_reaper *self) {
    struct ghost *ghost = NULL;
    struct ghost *next = NULL;
    HASH_ITER(hh, self->ghosts, ghost, next) {
        forget(self, ghost);
    }
    self->active = false;
    self->reading = false;
    self->pending = false;
}

void mu_reaper_destroy(struct mu_reaper **reaper) {
    if (*reaper == NULL) {
        return;
    }
    mu_reaper_stop(*reaper);
    free(*reaper);
    *reaper = NULL;
}

void mu_reaper_set_interval(struct mu_reaper *self, uint64_t now, uint64_t interval_ms) {
    self->options.interval_ms = interval_ms;
    self->read_at = self->read_at < now + interval_ms ? self->read_at : now + interval_ms;
}

void mu_reaper_hint(struct mu_reaper *self) {
    self->hinted = self->active;
}

void mu_reaper_now(struct mu_reaper *self) {
    struct ghost *ghost = NULL;
    struct ghost *next = NULL;
    HASH_ITER(hh, self->ghosts, ghost, next) {
        ghost->retry_at = 0;
    }
    mu_reaper_hint(self);
}

static struct ghost *find(const struct mu_reaper *self, const char *name) {
    struct ghost *ghost = NULL;
    HASH_FIND_STR(self->ghosts, name, ghost);
    return ghost;
}

/* ---- reading `ghosts` ---- */

static bool is_ghost(const char *name) {
    const char *colon = strchr(name, ':');
    return colon != NULL && mu_id_valid(name, (size_t)(colon - name)) &&
           mu_id_valid(colon + 1, strlen(colon + 1));
}

static void list_one(struct mu_reaper *self, const char *name) {
    struct ghost *ghost = find(self, name);
    if (ghost == NULL) {
        ghost = mu_calloc(1, sizeof *ghost);
        snprintf(ghost->name, sizeof ghost->name, "%s", name);
        snprintf(ghost->cursor, sizeof ghost->cursor, "0");
        HASH_ADD_STR(self->ghosts, name, ghost);
    }
    ghost->listed = true;
    self->options.on_seen(self->options.context, name);
}

static void on_ghosts(void *context, const void *note, const redisReply *reply) {
    struct mu_reaper *self = context;
    struct ghost *ghost = NULL;
    struct ghost *next = NULL;
    (void)note;
    self->reading = false;
    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY) {
        return;
    }
    HASH_ITER(hh, self->ghosts, ghost, next) {
        ghost->listed = false;
    }
    for (size_t i = 0; i < reply->elements; i++) {
        if (reply->element[i]->type == REDIS_REPLY_STRING && is_ghost(reply->element[i]->str)) {
            list_one(self, reply->element[i]->str);
        }
    }
    HASH_ITER(hh, self->ghosts, ghost, next) {
        if (!ghost->listed) {
            forget(self, ghost);
        }
    }
    mu_reaper_tick(self, mu_clock_boottime_ms());
}

static void read_ghosts(struct mu_reaper *self, uint64_t now) {
    char key[MU_KEY_SIZE];
    char end[16];
    mu_key(key, mu_fence_name_space(self->options.fence), "ghosts");
    snprintf(end, sizeof end, "%d", GHOSTS_AT_ONCE - 1);
    self->reading =
        mu_fence_read(self->options.fence, 4, (const char *const[]){"ZRANGE", key, "0", end},
                      on_ghosts, self, (struct mu_note){0});
    self->hinted = false;
    self->read_at = now + self->options.interval_ms;
}

/* ---- slices ---- */

static void finish(struct mu_reaper *self, struct ghost *ghost) {
    mu_fence_tally(self->options.fence)->ghosts_reaped++;
    MU_LOG(self->options.log, MU_LOG_INFO, "ghost.reaped", MU_STR("ghost", ghost->name),
           MU_INT("connections", ghost->connections), MU_INT("memberships", ghost->removed),
           MU_INT("quarantined", ghost->quarantined),
           MU_INT("ms", mu_clock_boottime_ms() - ghost->began_at));
    forget(self, ghost);
}

static void on_slice(struct mu_reaper *self, struct ghost *ghost, const json_t *object,
                     uint64_t took_us, uint64_t now) {
    uint64_t removed = mu_reply_number(object, "removed");
    uint64_t connections = mu_reply_number(object, "connections");
    uint64_t quarantined = mu_reply_number(object, "quarantined");
    uint64_t early = mu_reply_number(object, "early");
    const char *cursor = mu_reply_text(object, "cursor");
    if (early > 0) {
        ghost->retry_at = now + (early < EARLY_MAX_MS ? early : EARLY_MAX_MS);
        ghost->began_at = 0;
        return;
    }
    /* Records whose memberships others took over cost as well, without being removed. */
    uint64_t work = removed > connections ? removed : connections;
    mu_pace_measured(&self->pace, (unsigned)work, took_us);
    ghost->removed += removed;
    ghost->connections += connections;
    ghost->quarantined += quarantined;
    struct mu_tally *tally = mu_fence_tally(self->options.fence);
    tally->reaped_memberships += removed;
    tally->reaped_connections += connections;
    tally->quarantined += quarantined;
    if (quarantined > 0) {
        MU_LOG(self->options.log, MU_LOG_ERROR, "ghost.quarantined", MU_STR("ghost", ghost->name),
               MU_INT("records", quarantined));
    }
    if (mu_reply_true(object, "done")) {
        finish(self, ghost);
        return;
    }
    snprintf(ghost->cursor, sizeof ghost->cursor, "%s", cursor == NULL ? "0" : cursor);
    ghost->stuck = removed + connections + quarantined > 0 ? 0 : ghost->stuck + 1;
    if (ghost->stuck >= STUCK_SLICES) {
        ghost->stuck = 0;
        ghost->retry_at = now + RETRY_MS;
    }
}

static void on_reaped(void *context, const void *note, const struct mu_answer *answer,
                      uint64_t took_us) {
    struct mu_reaper *self = context;
    const struct ghost_note *about = note;
    uint64_t now = mu_clock_boottime_ms();
    self->pending = false;
    struct ghost *ghost = find(self, about->name);
    json_t *object = mu_reply_object(answer);
    if (ghost != NULL && object != NULL) {
        on_slice(self, ghost, object, took_us, now);
    } else if (ghost != NULL) {
        MU_LOG(self->options.log, MU_LOG_WARN, "reap.failed", MU_STR("ghost", ghost->name),
               MU_STR("code", muster_status_code(answer->status)),
               MU_STR("message", answer->message));
        ghost->retry_at = now + RETRY_MS;
    }
    json_decref(object);
    mu_reaper_tick(self, now);
}

static void next_slice(struct mu_reaper *self, uint64_t now) {
    struct ghost *ghost = NULL;
    struct ghost *next = NULL;
    HASH_ITER(hh, self->ghosts, ghost, next) {
        if (now >= ghost->retry_at) {
            break;
        }
    }
    if (ghost == NULL) {
        return;
    }
    struct ghost_note note;
    char budget[16];
    memcpy(note.name, ghost->name, sizeof note.name);
    snprintf(budget, sizeof budget, "%u", self->pace.budget);
    const char *arguments[] = {ghost->name, ghost->cursor, budget};
    self->pending = mu_fence_write_timed(self->options.fence, "reap", 3, arguments, on_reaped, self,
                                         (struct mu_note){&note, sizeof note});
    if (ghost->began_at == 0) {
        ghost->began_at = now;
    }
}

void mu_reaper_tick(struct mu_reaper *self, uint64_t now) {
    if (!self->active) {
        return;
    }
    if (!self->reading && (self->hinted || now >= self->read_at)) {
        read_ghosts(self, now);
    }
    if (!self->pending) {
        next_slice(self, now);
    }
}
