#include "base/utf8.h"

size_t mu_utf8_sequence(const unsigned char *text, size_t left, uint32_t *code) {
    unsigned char first = text[0];
    unsigned char low = 0x80, high = 0xBF; /* what the second byte may be */
    uint32_t value;
    size_t size;

    if (first < 0x80) {
        size = 1;
        value = first;
    } else if (first >= 0xC2 && first <= 0xDF) {
        size = 2;
        value = first & 0x1Fu;
    } else if (first >= 0xE0 && first <= 0xEF) {
        size = 3;
        value = first & 0x0Fu;
        low = first == 0xE0 ? 0xA0 : low;   /* shorter forms exist */
        high = first == 0xED ? 0x9F : high; /* surrogates */
    } else if (first >= 0xF0 && first <= 0xF4) {
        size = 4;
        value = first & 0x07u;
        low = first == 0xF0 ? 0x90 : low;
        high = first == 0xF4 ? 0x8F : high;
    } else {
        return 0;
    }
    if (left < size || (size > 1 && (text[1] < low || text[1] > high))) {
        return 0;
    }
    for (size_t i = 1; i < size; i++) {
        if (text[i] < 0x80 || text[i] > 0xBF) {
            return 0;
        }
        value = value << 6 | (text[i] & 0x3Fu);
    }
    if (code != NULL) {
        *code = value;
    }
    return size;
}
