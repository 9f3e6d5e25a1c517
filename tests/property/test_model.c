/* test_model.c - random sequences of calls, executed by the functions library in a real
 * redis-server and by a model in C (model.h); after every call everything is compared: reply,
 * events, data.
 *
 *     MUSTER_PROPERTY_SEED=n        the first seed; without it the same seeds as always
 *     MUSTER_PROPERTY_SEQUENCES=n   how many sequences, of one seed each
 *
 * A sequence that fails is shrunk and printed. The run fails, too, when a code, an event or a
 * reason of the model never occurred in it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/test.h"
#include "property/generate.h"
#include "property/shrink.h"

enum {
    SEQUENCES = 300,
    LENGTH_MIN = 60,
    LENGTH_MORE = 140,
    SETTLING_MAX = 400,
    SHRINK_TRIES = 400
};

static unsigned long long number_of(const char *name, unsigned long long otherwise) {
    const char *text = getenv(name);
    return text == NULL || text[0] == '\0' ? otherwise : strtoull(text, NULL, 10);
}

static void report(struct pm_stage *stage, struct pm_run *run, struct pm_steps *steps,
                   unsigned long long seed) {
    char failure[sizeof run->failure];
    snprintf(failure, sizeof failure, "%s", run->failure);
    size_t length = steps->count;
    fprintf(stderr, "seed %llu fails after %zu steps:\n%s", seed, length, failure);
    pm_shrink(stage, steps, SHRINK_TRIES, failure, sizeof failure);
    fprintf(stderr, "shrunk to %zu steps (MUSTER_PROPERTY_SEED=%llu):\n", steps->count, seed);
    pm_steps_print(stderr, steps);
    fprintf(stderr, "%s\n", failure);
}

/* One sequence, generated as it goes. */
static bool play(struct pm_stage *stage, struct pm_coverage *coverage, unsigned long long seed,
                 size_t *total) {
    struct pm_random random = {.state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1};
    struct pm_steps steps = {0};
    struct pm_run *run = calloc(1, sizeof *run);
    assert_non_null(run);
    size_t length = LENGTH_MIN + pm_below(&random, LENGTH_MORE);
    bool fine = true;
    pm_run_begin(run, stage, coverage);
    while (fine && steps.count < length) {
        pm_generate(&steps, &random, &run->state);
        while (fine && run->done < steps.count)
            fine = pm_run_step(run, &steps.list[run->done]);
    }
    while (fine && pm_generate_settling(&steps, &run->state)) {
        fine = pm_run_step(run, &steps.list[steps.count - 1]);
        assert_true(steps.count < length + SETTLING_MAX);
    }
    *total += steps.count;
    if (!fine)
        report(stage, run, &steps, seed);
    pm_run_end(run);
    free(run);
    pm_steps_clear(&steps);
    return fine;
}

static void test_model(void **state) {
    struct pm_stage stage;
    struct pm_coverage coverage = {0};
    unsigned long long first = number_of("MUSTER_PROPERTY_SEED", 1);
    unsigned long long sequences = number_of(
        "MUSTER_PROPERTY_SEQUENCES", getenv("MUSTER_PROPERTY_SEED") == NULL ? SEQUENCES : 1);
    size_t steps = 0;
    bool fine = true;
    (void)state;
    pm_stage_open(&stage);
    printf("seeds %llu to %llu\n", first, first + sequences - 1);
    for (unsigned long long i = 0; i < sequences && fine; i++)
        fine = play(&stage, &coverage, first + i, &steps);
    printf("%zu steps\n", steps);
    pm_stage_close(&stage);
    assert_true(fine);
    bool complete = pm_coverage_report(&coverage);
    /* A handful of sequences need not see everything. */
    assert_true(complete || sequences < SEQUENCES);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_model)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
