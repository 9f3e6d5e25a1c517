/* event_text.h - one event as a line for people. */
#ifndef MU_CTL_EVENT_TEXT_H
#define MU_CTL_EVENT_TEXT_H

#include <jansson.h>
#include <stdbool.h>

#include "base/buffer.h"

/* "12:03:04.567" of `at` (ms since 1970) in local time. */
#define MU_CLOCK_SIZE 16
char *mu_clock_text(char out[MU_CLOCK_SIZE], int64_t at);

/* Appends the line, without a newline. */
void mu_event_text(struct mu_buffer *out, const json_t *event, bool colour);

#endif
