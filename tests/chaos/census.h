/* census.h - what was done to how many, and what came of it; numbers by name. */
#ifndef CH_CENSUS_H
#define CH_CENSUS_H

#include <jansson.h>

/* Adds the numbers of a file to `sum`; a file that cannot be read adds nothing. */
void ch_census_add(json_t *sum, const char *file);
/* Adds up the files and prints the sum. Exit code 0, or 1 when something never happened: an action,
 * or what actions are for. */
int ch_census_demand(int count, char *const files[]);

#endif
