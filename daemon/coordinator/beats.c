#include "coordinator/beats.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/table.h"
#include "coordinator/pace.h"
#include "coordinator/reply.h"

#define BATCH_MAX 256
#define BATCH_START 64
#define TARGET_US 1000
#define KEEP_MS 10000 /* the line of one that is not heard any more */

struct beat {
    char instance[MU_ID_SIZE];
    char incarnation[MU_ID_SIZE];
    uint64_t heard_at; /* last */
    bool waiting;      /* for the scores, or to be written */
    bool ready;        /* to be written */
    bool news;         /* heard when its instance was suspect already, or of another incarnation */
    UT_hash_handle hh;
};

struct mu_beats {
    struct mu_beats_options options;
    struct beat *heard;
    size_t ready;
    bool pending;
    struct mu_pace pace;
};

struct mu_beats *mu_beats_create(const struct mu_beats_options *options) {
    struct mu_beats *beats = mu_calloc(1, sizeof *beats);
    beats->options = *options;
    mu_pace_init(&beats->pace, TARGET_US, 1, BATCH_START, BATCH_MAX);
    return beats;
}

/* It needs nothing any more. Its line stays: the next heartbeat is due within a second. */
static void settle(struct mu_beats *beats, struct beat *beat) {
    beats->ready -= beat->ready ? 1 : 0;
    beat->ready = false;
    beat->waiting = false;
}

/* What was heard before its instance became suspect says nothing against that. Written now, it
 * would revive one that died in between, and nobody would look at its inbox again. */
static bool is_stale(const struct mu_beats *beats, const struct beat *beat) {
    return !beat->news && mu_detector_suspects(beats->options.detector, beat->instance);
}

static void drop(struct mu_beats *beats, struct beat *beat) {
    settle(beats, beat);
    HASH_DEL(beats->heard, beat);
    free(beat);
}

void mu_beats_stop(struct mu_beats *beats) {
    struct beat *beat = NULL;
    struct beat *next = NULL;
    HASH_ITER(hh, beats->heard, beat, next) {
        drop(beats, beat);
    }
    beats->pending = false;
}

void mu_beats_destroy(struct mu_beats **beats) {
    if (*beats == NULL) {
        return;
    }
    mu_beats_stop(*beats);
    free(*beats);
    *beats = NULL;
}

static void mark_ready(struct mu_beats *beats, struct beat *beat) {
    beats->ready += beat->ready ? 0 : 1;
    beat->ready = true;
}

void mu_beats_heard(struct mu_beats *beats, uint64_t now, const char *instance,
                    const char *incarnation) {
    enum mu_heard heard = mu_detector_heard(beats->options.detector, now, instance, incarnation);
    if (heard == MU_HEARD_UNKNOWN) {
        beats->options.on_odd(beats->options.context);
        return;
    }
    struct beat *beat = NULL;
    HASH_FIND_STR(beats->heard, instance, beat);
    if (beat == NULL) {
        beat = mu_calloc(1, sizeof *beat);
        snprintf(beat->instance, sizeof beat->instance, "%s", instance);
        HASH_ADD_STR(beats->heard, instance, beat);
    }
    if (strcmp(beat->incarnation, incarnation) != 0) {
        snprintf(beat->incarnation, sizeof beat->incarnation, "%s", incarnation);
    }
    beat->heard_at = now;
    beat->waiting = true;
    beat->news = heard != MU_HEARD;
    if (heard == MU_HEARD_SUSPECT) {
        mark_ready(beats, beat);
        mu_beats_tick(beats);
    } else if (heard == MU_HEARD_OTHER) {
        beats->options.on_odd(beats->options.context);
    }
}

void mu_beats_polled(struct mu_beats *beats, uint64_t sent_at, bool regular) {
    struct beat *beat = NULL;
    struct beat *next = NULL;
    HASH_ITER(hh, beats->heard, beat, next) {
        if (beat->heard_at > sent_at || beat->ready) {
            continue; /* what was heard since may not be in these scores yet */
        }
        if (!beat->waiting) {
            if (sent_at - beat->heard_at > KEEP_MS) {
                drop(beats, beat);
            }
        } else if (mu_detector_moved(beats->options.detector, beat->instance) ||
                   is_stale(beats, beat)) {
            settle(beats, beat);
        } else if (regular) {
            mark_ready(beats, beat);
        }
    }
    mu_beats_tick(beats);
}

static void read_names(const json_t *object, const char *key, struct mu_beats *beats,
                       void (*each)(struct mu_beats *beats, const char *instance)) {
    size_t index = 0;
    json_t *value = NULL;
    json_array_foreach(json_object_get(object, key), index, value) {
        const char *id = json_string_value(value);
        if (id != NULL && mu_id_valid(id, strlen(id))) {
            each(beats, id);
        }
    }
}

static void revived(struct mu_beats *beats, const char *instance) {
    mu_detector_revived(beats->options.detector, instance);
    beats->options.on_up(beats->options.context);
}

static void unknown(struct mu_beats *beats, const char *instance) {
    mu_detector_details_due(beats->options.detector, instance);
    beats->options.on_odd(beats->options.context);
}

static void on_written(void *context, const void *note, const struct mu_answer *answer,
                       uint64_t took_us) {
    struct mu_beats *beats = context;
    const unsigned *count = note;
    beats->pending = false;
    json_t *object = mu_reply_object(answer);
    if (object == NULL) {
        MU_LOG(beats->options.log, MU_LOG_WARN, "beats.failed",
               MU_STR("code", muster_status_code(answer->status)),
               MU_STR("message", answer->message));
        return;
    }
    mu_pace_measured(&beats->pace, *count, took_us);
    read_names(object, "up", beats, revived);
    read_names(object, "unknown", beats, unknown);
    json_decref(object);
    mu_beats_tick(beats);
}

void mu_beats_tick(struct mu_beats *beats) {
    if (beats->pending || beats->ready == 0) {
        return;
    }
    struct beat *batch[BATCH_MAX];
    const char *arguments[2 * BATCH_MAX];
    unsigned count = 0;
    struct beat *beat = NULL;
    struct beat *next = NULL;
    HASH_ITER(hh, beats->heard, beat, next) {
        if (count == beats->pace.budget) {
            break;
        }
        if (beat->ready && is_stale(beats, beat)) {
            settle(beats, beat);
        } else if (beat->ready) {
            arguments[2 * count] = beat->instance;
            arguments[2 * count + 1] = beat->incarnation;
            batch[count++] = beat;
        }
    }
    if (count == 0) {
        return;
    }
    beats->pending =
        mu_fence_write_timed(beats->options.fence, "beats", 2 * (size_t)count, arguments,
                             on_written, beats, (struct mu_note){&count, sizeof count});
    for (unsigned i = 0; i < count; i++) {
        if (beats->pending) {
            mu_detector_written(beats->options.detector, batch[i]->instance);
        }
        settle(beats, batch[i]);
    }
}
