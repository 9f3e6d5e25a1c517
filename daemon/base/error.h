/* error.h - what an operator must read: a status and a sentence that each layer may prefix. */
#ifndef MU_BASE_ERROR_H
#define MU_BASE_ERROR_H

#include "muster/status.h"

#if defined(__GNUC__)
#define MU_PRINTF(format_index, first) __attribute__((format(printf, format_index, first)))
#define MU_WARN_UNUSED __attribute__((warn_unused_result))
#else
#define MU_PRINTF(format_index, first)
#define MU_WARN_UNUSED
#endif

#define MU_ERROR_TEXT 1024

struct mu_error {
    enum muster_status status;
    char text[MU_ERROR_TEXT]; /* NUL-terminated, cut with "..." when too long */
};

/* Sets status and text; returns `status`, so that `return mu_error_set(...)` reads well.
 * `error` may be NULL: then only the status is returned. */
enum muster_status mu_error_set(struct mu_error *error, enum muster_status status,
                                const char *format, ...) MU_PRINTF(3, 4);

/* Puts "<formatted>: " before the text; returns the unchanged status of `error`. */
enum muster_status mu_error_prefix(struct mu_error *error, const char *format, ...) MU_PRINTF(2, 3);

#endif
