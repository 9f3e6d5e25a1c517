/* resp_reader.h - reads replies of either protocol, strictly: one element at a time.
 *
 * hiredis 0.14 knows protocol 2 only: an element without types of protocol 3 is given to it as
 * well.
 */
#ifndef FUZZ_RESP_READER_H
#define FUZZ_RESP_READER_H

#include <stdbool.h>
#include <stddef.h>

/* What matters of an element at the top. */
struct fuzz_element {
    size_t length;     /* bytes, all of it */
    char type;         /* its first byte */
    long long count;   /* of an array, push, map (pairs) or set */
    const char *first; /* the text of the first element of an array or a push, or of itself */
    size_t first_length;
    const char *second; /* the second one, or NULL */
    size_t second_length;
};

/* False: it is not whole yet. What is malformed ends the process. */
bool fuzz_read_element(const char *data, size_t length, struct fuzz_element *out);

/* Ends the process with a sentence. A macro, so that the analyzer believes it. */
_Noreturn void fuzz_fail(const char *sentence);
#define fuzz_demand(fine, sentence)                                                                \
    do {                                                                                           \
        if (!(fine))                                                                               \
            fuzz_fail(sentence);                                                                   \
    } while (0)

#endif
