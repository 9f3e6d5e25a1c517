/* step.h - one step of a sequence: some time passes, then one call is made.
 *
 * Arguments that depend on what went before are symbols, so a sequence still makes sense when
 * steps are taken out of it:
 *     @epoch @epoch-   the epoch that stands; the one before it
 *     @epoch+          later than every one that was given
 *     @lease           the text of the lease that stands
 *     @ahead           the latest time that ever was, and ten seconds
 *     @floor           what a coordinator rotates with: @ahead after older data returned, else 0
 *     @score:<i>  @score-:<i>   the time of an instance's last heartbeat; a ms before
 *     @term:<s>   @term-:<s>    a session's term; the one before
 *     @cursor:<name>   what the last slice for this name returned
 * Some steps are no calls: "reload" loads the library anew: nothing is confirmed after it.
 * "remember" keeps a copy of all data, "return" puts it back, as a failover may. "set-back" sets
 * the server's clock back by so many ms. "settled": the coordinator has done all its work, and that
 * must show.
 */
#ifndef PM_STEP_H
#define PM_STEP_H

#include <stdio.h>

#include "property/model.h"

struct pm_step {
    long long wait_ms;
    char function[24];
    char *arguments[PM_ARGUMENTS];
    size_t count;
};

/* A sequence; owns the texts of its steps. */
struct pm_steps {
    struct pm_step *list;
    size_t count;
    size_t room;
};

/* `format`: words with a space between, `~` for an empty one; `%s` words may hold anything but
 * spaces. More words by pm_step_argument(). */
struct pm_step *pm_steps_add(struct pm_steps *steps, long long wait_ms, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void pm_step_argument(struct pm_step *step, const char *text);
/* Appends a copy. */
void pm_steps_copy(struct pm_steps *steps, const struct pm_step *step);
void pm_steps_clear(struct pm_steps *steps);
void pm_step_print(FILE *out, const struct pm_step *step);

/* Cursors by name. */
struct pm_cursors {
    char names[32][160];
    char values[32][24];
    size_t count;
};
void pm_cursor_set(struct pm_cursors *cursors, const char *name, const char *value);

/* The call with all symbols resolved; its texts are kept by the state. */
struct pm_call pm_step_resolve(const struct pm_step *step, struct pm_state *state,
                               const struct pm_cursors *cursors);

#endif
