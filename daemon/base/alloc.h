/* alloc.h - allocation for sizes of our own choosing: out of memory ends the process loudly.
 *
 * A size that a stranger chooses is first checked against a limit; what may then still fail is
 * the machine, and a daemon whose successor goes on within seconds does best to say so and end.
 */
#ifndef MU_BASE_ALLOC_H
#define MU_BASE_ALLOC_H

#include <stddef.h>

/* All return zeroed (mu_calloc), copied or resized memory for free(); never NULL. */
void *mu_calloc(size_t count, size_t size);
void *mu_realloc(void *memory, size_t size);
char *mu_strdup(const char *text);
char *mu_strndup(const char *text, size_t length);

#endif
