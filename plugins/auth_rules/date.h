/* date.h - dates of RFC 3339: `2027-01-31T12:00:00Z`, with an offset `+01:00`, or a day alone, that
 * begins at midnight UTC. */
#ifndef RULES_DATE_H
#define RULES_DATE_H

#include <stdbool.h>
#include <stdint.h>

/* *ms: Unix time. False: no date, none that exists, or one before 1970. A fraction of a second is
 * cut off. */
bool rules_date_read(const char *text, uint64_t *ms);

#endif
