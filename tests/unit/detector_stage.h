/* detector_stage.h - a detector, a time that the test turns, and what was proposed last. */
#ifndef MT_DETECTOR_STAGE_H
#define MT_DETECTOR_STAGE_H

#include "lib/test.h"

#include <stdio.h>
#include <string.h>

#include "coordinator/detector.h"

#define SUSPECT 3000
#define DEAD 10000
#define START 100000

struct stage {
    struct mu_detector *detector;
    uint64_t now;
    struct mu_verdict verdict[8];
    size_t count; /* verdicts of the last tick */
};

static inline void begin(struct stage *stage) {
    memset(stage, 0, sizeof *stage);
    stage->detector = mu_detector_create(SUSPECT, DEAD);
    stage->now = START;
}

static inline void end(struct stage *stage) {
    mu_detector_destroy(&stage->detector);
    assert_null(stage->detector);
}

/* One poll of pairs instance, score up to NULL, asked and answered now. */
static inline void poll(struct stage *stage, const char *const *pairs) {
    mu_detector_poll_begin(stage->detector, stage->now);
    for (size_t i = 0; pairs[i] != NULL; i += 2) {
        mu_detector_poll_score(stage->detector, stage->now, pairs[i], pairs[i + 1]);
    }
    mu_detector_poll_end(stage->detector);
}

static inline void poll_one(struct stage *stage, const char *score) {
    poll(stage, (const char *const[]){"a", score, NULL});
}

static inline void details(struct stage *stage, const char *instance, const char *incarnation,
                           bool suspect) {
    mu_detector_details(stage->detector, stage->now, instance, incarnation, suspect, false);
}

/* One instance `a` of incarnation `i`, up. */
static inline void begin_one(struct stage *stage) {
    begin(stage);
    poll_one(stage, "1");
    details(stage, "a", "i", false);
}

static inline size_t tick(struct stage *stage) {
    stage->count = mu_detector_tick(stage->detector, stage->now, UINT64_MAX, stage->verdict, 8);
    return stage->count;
}

static inline bool result(struct stage *stage, enum muster_status status) {
    return mu_detector_result(stage->detector, stage->now, &stage->verdict[0], status);
}

static inline void expect(struct stage *stage, enum mu_verdict_kind kind, const char *score) {
    assert_int_equal(tick(stage), 1);
    assert_int_equal(stage->verdict[0].kind, kind);
    assert_string_equal(stage->verdict[0].instance, "a");
    assert_string_equal(stage->verdict[0].incarnation, "i");
    assert_string_equal(stage->verdict[0].score, score);
}

struct found {
    struct mu_detector_instance look;
    bool found;
};

static inline void take(void *context, const struct mu_detector_instance *instance) {
    struct found *found = context;
    if (strcmp(instance->instance, "a") == 0) {
        found->look = *instance;
        found->found = true;
    }
}

static inline struct mu_detector_instance look(struct stage *stage) {
    struct found found = {.found = false};
    mu_detector_each(stage->detector, take, &found);
    assert_true(found.found);
    return found.look;
}

#endif
