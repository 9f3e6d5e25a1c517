/* resp_oracle.h - what the parser of the RESP door must say, worked out slowly from the whole text
 * at once, and a transcript of what it does say when the text comes in pieces.
 *
 * Shares no code with plugins/transport_resp. Used by the unit test and by the fuzz targets.
 */
#ifndef FUZZ_RESP_ORACLE_H
#define FUZZ_RESP_ORACLE_H

#include <stdbool.h>
#include <stddef.h>

#include "transport_resp/parse.h"

/* One line for each request, "request @<end> <length>:<bytes> ...", and one for how it ended:
 * "more", "broken @<end>" or "http @<end>". `end` counts bytes of the text. */
struct fuzz_transcript {
    char *text;
    size_t length, room;
};

void fuzz_transcript_deinit(struct fuzz_transcript *transcript);
bool fuzz_transcript_same(const struct fuzz_transcript *one, const struct fuzz_transcript *other);

/* How it should be. */
void fuzz_oracle(const char *data, size_t length, const struct resp_limits *limits,
                 struct fuzz_transcript *out);

/* How long the next piece is, of `left` bytes: 1 to left. */
typedef size_t (*fuzz_cut)(void *context, size_t left);

/* How it is, with a fresh copy of each piece on the heap, so that a sanitizer sees a read beyond
 * it. Checks meanwhile, with assert(): what parse.h promises of arguments, memory and sentences,
 * and that no byte of a request is left in the parser's memory once it was wiped. */
void fuzz_parse(const char *data, size_t length, const struct resp_limits *limits, fuzz_cut cut,
                void *context, struct fuzz_transcript *out);

#endif
