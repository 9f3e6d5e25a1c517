#include "base/alloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *checked(void *memory, size_t size) {
    if (memory == NULL) {
        fprintf(stderr, "muster: out of memory (%zu bytes wanted)\n", size);
        abort();
    }
    return memory;
}

void *mu_calloc(size_t count, size_t size) {
    /* An empty request may be answered with NULL by the C library; ours never is. */
    if (count == 0 || size == 0) {
        count = size = 1;
    }
    return checked(calloc(count, size), size);
}

void *mu_realloc(void *memory, size_t size) {
    if (size == 0) {
        size = 1;
    }
    return checked(realloc(memory, size), size);
}

char *mu_strdup(const char *text) {
    return mu_strndup(text, strlen(text));
}

char *mu_strndup(const char *text, size_t length) {
    size_t size = strnlen(text, length);
    char *copy = mu_calloc(size + 1, 1);

    memcpy(copy, text, size);
    return copy;
}
