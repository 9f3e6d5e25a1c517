/* raw.h - finds the text of values inside JSON that jansson has found valid.
 *
 * Objects that a requester sends as arguments are handed on byte for byte: decoding and encoding
 * them again would round big numbers. What is parsed here must be valid; nothing is checked.
 */
#ifndef PUBSUB_RAW_H
#define PUBSUB_RAW_H

#include <stdbool.h>
#include <stddef.h>

#include "muster/types.h"

/* Where the first item of the list or object that begins at or behind `text` (white space apart)
 * is to be looked for. */
const char *pubsub_raw_enter(const char *text);

/* The next value of a list, or of an object (its key is passed over). Moves *at behind it. There
 * must be one. *depth (may be NULL): how deep it is nested, 0 for a scalar. */
struct muster_text pubsub_raw_next(const char **at, bool object, size_t *depth);

#endif
