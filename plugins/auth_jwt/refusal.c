#include "refusal.h"

#include <stddef.h>

const char *jwt_refusal_sentence(enum jwt_refusal refusal) {
    static const char *const sentences[] = {NULL,
#define SENTENCE(name, kind, sentence) sentence,
                                            JWT_REFUSAL_TABLE(SENTENCE)
#undef SENTENCE
    };
    return sentences[refusal];
}

enum jwt_class jwt_refusal_class(enum jwt_refusal refusal) {
    static const enum jwt_class classes[] = {
        JWT_CLASS_MALFORMED, /* of JWT_ACCEPTED: never asked for */
#define KIND(name, kind, sentence) JWT_CLASS_##kind,
        JWT_REFUSAL_TABLE(KIND)
#undef KIND
    };
    return classes[refusal];
}
