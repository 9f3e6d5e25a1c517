#include "redis/command.h"

#include <hiredis/hiredis.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define HEADER_SIZE 24 /* "$<20 digits>\r\n" or "*<20 digits>\r\n" */

size_t mu_command_size(size_t count, const char *const *arguments, const size_t *lengths) {
    size_t size = HEADER_SIZE;
    for (size_t i = 0; i < count; i++) {
        size += HEADER_SIZE + (lengths ? lengths[i] : strlen(arguments[i])) + 2;
    }
    return size;
}

char *mu_command_format(size_t count, const char *const *arguments, const size_t *lengths,
                        size_t *length) {
    char *bytes = NULL;
    /* hiredis takes pointers to const strings that it does not change. */
    long long result =
        redisFormatCommandArgv(&bytes, (int)count, (const char **)(uintptr_t)arguments, lengths);
    if (result < 0) {
        abort();
    }
    *length = (size_t)result;
    return bytes;
}

void mu_command_append(struct mu_buffer *buffer, size_t count, const char *const *arguments) {
    size_t length = 0;
    char *bytes = mu_command_format(count, arguments, NULL, &length);
    if (!mu_buffer_append(buffer, bytes, length)) {
        abort();
    }
    explicit_bzero(bytes, length);
    redisFreeCommand(bytes);
}
