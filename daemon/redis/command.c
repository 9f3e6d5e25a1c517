#include "redis/command.h"

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

/* "<kind><number>\r\n"; returns what is behind it. */
static char *put_header(char *at, char kind, size_t number) {
    char digits[20];
    size_t used = 0;
    do {
        digits[used++] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    *at++ = kind;
    while (used > 0) {
        *at++ = digits[--used];
    }
    *at++ = '\r';
    *at++ = '\n';
    return at;
}

/* Not redisFormatCommandArgv(): its sprintf() for each argument was a third of all instructions of
 * a request (tests/budgets). */
char *mu_command_format(size_t count, const char *const *arguments, const size_t *lengths,
                        size_t *length) {
    char *bytes = malloc(mu_command_size(count, arguments, lengths));
    if (!bytes) {
        abort();
    }
    char *at = put_header(bytes, '*', count);
    for (size_t i = 0; i < count; i++) {
        size_t size = lengths ? lengths[i] : strlen(arguments[i]);
        at = put_header(at, '$', size);
        memcpy(at, arguments[i], size);
        at += size;
        *at++ = '\r';
        *at++ = '\n';
    }
    *length = (size_t)(at - bytes);
    return bytes;
}

void mu_command_append(struct mu_buffer *buffer, size_t count, const char *const *arguments) {
    size_t length = 0;
    char *bytes = mu_command_format(count, arguments, NULL, &length);
    if (!mu_buffer_append(buffer, bytes, length)) {
        abort();
    }
    explicit_bzero(bytes, length);
    free(bytes);
}
