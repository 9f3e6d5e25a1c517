/* alloc.h - memory or the end: who cannot hold its rules must not decide without them. */
#ifndef RULES_ALLOC_H
#define RULES_ALLOC_H

#include <stdlib.h>
#include <string.h>

/* Zeroed. Never NULL. */
static inline void *rules_calloc(size_t count, size_t size) {
    void *memory = calloc(count > 0 ? count : 1, size);
    if (memory == NULL) {
        abort();
    }
    return memory;
}

/* Never NULL. */
static inline char *rules_dup(const char *text) {
    size_t size = strlen(text) + 1;
    return memcpy(rules_calloc(1, size), text, size);
}

#endif
