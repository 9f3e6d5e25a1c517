/* doctor.h - runs musterctl doctor and holds what it finds against what a test broke. */
#ifndef MT_DOCTOR_H
#define MT_DOCTOR_H

#include <jansson.h>

#include "lib/world.h"

struct mt_diagnosis {
    int exit_status;
    char *codes;  /* sorted, parted by a space */
    char *unmade; /* names of the checks that could not be made, in their order, likewise */
    json_t *json;
};

/* `arguments` for musterctl beside `doctor --json`; ended by NULL. Fails the test when the exit
 * status, the sums and the findings contradict each other. */
struct mt_diagnosis mt_doctor(struct mt_world *world, const char *const arguments[]);
void mt_diagnosis_deinit(struct mt_diagnosis *diagnosis);

/* Demands exactly these codes (sorted, parted by a space; "": none), and that no check but those of
 * `unmade` (NULL: not looked at) could not be made. */
void mt_doctor_expect(struct mt_world *world, const char *codes, const char *unmade,
                      const char *const arguments[]);

#endif
