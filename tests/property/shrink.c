/* shrink.c - delta debugging over the steps: ever smaller pieces are left out. */
#include "property/shrink.h"

#include <stdlib.h>
#include <string.h>

/* A copy without the steps from `from` to before `to`, and of none after `end`. */
static void copy_without(struct pm_steps *target, const struct pm_steps *steps, size_t from,
                         size_t to, size_t end) {
    for (size_t i = 0; i < steps->count && i < end; i++)
        if (i < from || i >= to)
            pm_steps_copy(target, &steps->list[i]);
}

/* Replaces `steps` by `shorter` if that still fails; frees what is not needed. */
static bool adopt_if_failing(struct pm_stage *stage, struct pm_steps *steps,
                             struct pm_steps *shorter, char *failure, size_t size) {
    char text[8192];
    size_t end = 0;
    bool fails = !pm_run_all(stage, shorter, text, sizeof text, &end);
    if (!fails) {
        pm_steps_clear(shorter);
        return false;
    }
    snprintf(failure, size, "%s", text);
    pm_steps_clear(steps);
    copy_without(steps, shorter, 0, 0, end);
    pm_steps_clear(shorter);
    return true;
}

void pm_shrink(struct pm_stage *stage, struct pm_steps *steps, size_t tries, char *failure,
               size_t size) {
    for (size_t piece = steps->count / 2; piece > 0 && tries > 0; piece /= 2) {
        /* From the end: what comes late depends on what came before. */
        for (size_t to = steps->count; to >= piece && tries > 0;) {
            struct pm_steps shorter = {0};
            copy_without(&shorter, steps, to - piece, to, steps->count);
            tries--;
            adopt_if_failing(stage, steps, &shorter, failure, size);
            to -= piece;
            to = to > steps->count ? steps->count : to;
        }
    }
    for (size_t i = 0; i < steps->count && tries > 0; i++) {
        if (steps->list[i].wait_ms == 0)
            continue;
        struct pm_steps shorter = {0};
        copy_without(&shorter, steps, 0, 0, steps->count);
        shorter.list[i].wait_ms = 0;
        tries--;
        adopt_if_failing(stage, steps, &shorter, failure, size);
    }
}

void pm_steps_print(FILE *out, const struct pm_steps *steps) {
    for (size_t i = 0; i < steps->count; i++) {
        fprintf(out, "  %3zu  ", i + 1);
        pm_step_print(out, &steps->list[i]);
        fputc('\n', out);
    }
}
