/* brief.h - bursts of events summed up, a few lines a second. */
#ifndef MU_CTL_BRIEF_H
#define MU_CTL_BRIEF_H

#include <jansson.h>

#include "ctl.h"

struct mu_brief;

struct mu_brief *mu_brief_create(struct mu_ctl *ctl, bool colour);
/* Takes note of an event; those of instances and coordinators are printed at once. */
void mu_brief_event(struct mu_brief *brief, const json_t *event);
/* Prints what came since the last time, if anything. To be called once a second. */
void mu_brief_tick(struct mu_brief *brief);
void mu_brief_destroy(struct mu_brief **brief);

#endif
