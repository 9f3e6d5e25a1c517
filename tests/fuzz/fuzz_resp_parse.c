/* The parser of the RESP door. The input is what a peer sends; it is cut in several ways and must
 * always come to what the oracle says. What parse.h promises is checked on the way. */
#include <stdio.h>
#include <stdlib.h>

#include "fuzz/fuzz.h"
#include "fuzz/resp_oracle.h"

static size_t whole(void *context, size_t left) {
    (void)context;
    return left;
}

static size_t one_byte(void *context, size_t left) {
    (void)context;
    (void)left;
    return 1;
}

/* Mostly short pieces, some long. */
static size_t anyhow(void *context, size_t left) {
    uint64_t number = fuzz_next(context);
    size_t most = number % 4 == 0 ? left : 8;
    size_t size = 1 + (size_t)(number >> 8) % most;
    return size < left ? size : left;
}

static void compare(const char *data, size_t size, const struct resp_limits *limits, fuzz_cut cut,
                    void *context, const struct fuzz_transcript *wanted) {
    struct fuzz_transcript got = {0};
    fuzz_parse(data, size, limits, cut, context, &got);
    if (!fuzz_transcript_same(&got, wanted)) {
        fprintf(stderr, "%.*sthe oracle:\n%.*s", (int)got.length, got.text, (int)wanted->length,
                wanted->text);
        abort();
    }
    fuzz_transcript_deinit(&got);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct resp_limits all[] = {
        {.arguments = 1024, .argument = 1 << 20, .request = 4 << 20, .inline_line = 65536},
        {.arguments = 12, .argument = 64, .request = 160, .inline_line = 80},
        {.arguments = 3, .argument = 1000, .request = 40, .inline_line = 1000},
        {.arguments = 1, .argument = 0, .request = 1, .inline_line = 1},
    };
    const char *text = (const char *)data;
    uint64_t state = fuzz_hash(data, size) | 1;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        struct fuzz_transcript wanted = {0};
        fuzz_oracle(text, size, &all[i], &wanted);
        compare(text, size, &all[i], whole, NULL, &wanted);
        compare(text, size, &all[i], one_byte, NULL, &wanted);
        compare(text, size, &all[i], anyhow, &state, &wanted);
        fuzz_transcript_deinit(&wanted);
    }
    return 0;
}
