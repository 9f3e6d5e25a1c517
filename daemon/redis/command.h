/* command.h - formats one command. Private to daemon/redis. */
#ifndef MU_REDIS_COMMAND_H
#define MU_REDIS_COMMAND_H

#include <stddef.h>

#include "base/buffer.h"

/* `lengths` may be NULL: the arguments are C strings then. The bytes are for free() (which
 * redisFreeCommand() is); aborts when the memory is exhausted. */
char *mu_command_format(size_t count, const char *const *arguments, const size_t *lengths,
                        size_t *length);
/* The size that mu_command_format() will need at most. */
size_t mu_command_size(size_t count, const char *const *arguments, const size_t *lengths);
/* Formats C strings to the end of an unbounded buffer. */
void mu_command_append(struct mu_buffer *buffer, size_t count, const char *const *arguments);

#endif
