/* decode.h - is a request well-formed, and what is it about? Pure.
 *
 * One decoder for all operations: it reads the letters of MUSTER_OPERATION_TABLE. What only Redis
 * or the functions can know (does it exist, is the JSON strict) is left to them. */
#ifndef MU_REQUEST_DECODE_H
#define MU_REQUEST_DECODE_H

#include <stddef.h>

#include "base/error.h"
#include "registry/operations.h"

/* OK; BAD_REQUEST, BAD_ID or TOO_LARGE, with a sentence that names the argument, what it is and
 * what is allowed. */
enum muster_status mu_decode(enum muster_operation operation, size_t count,
                             const struct muster_text *arguments, size_t argument_max,
                             struct mu_error *error);

/* The first argument of that letter; NULL when there is none. */
const struct muster_text *mu_decode_argument(enum muster_operation operation, char letter,
                                             size_t count, const struct muster_text *arguments);
/* Where it stands, or would; SIZE_MAX when the operation has none. */
size_t mu_decode_position(enum muster_operation operation, char letter);

/* What it is about, for authorization. For COUNT the session `step`, else step 0. Points into the
 * arguments. */
void mu_decode_resource(enum muster_operation operation, size_t count,
                        const struct muster_text *arguments, size_t step,
                        struct muster_resource *resource);
/* How many authorizations it takes: one a session of COUNT, else one. */
size_t mu_decode_steps(enum muster_operation operation, size_t count);

#endif
