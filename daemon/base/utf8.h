/* utf8.h - strict UTF-8 as RFC 3629 has it. */
#ifndef MU_BASE_UTF8_H
#define MU_BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Length of the sequence at `text` with `left` > 0 bytes to read, and its code point in *code
 * (may be NULL). 0 when there is none: overlong, surrogate, above U+10FFFF or cut off. */
size_t mu_utf8_sequence(const unsigned char *text, size_t left, uint32_t *code);

#endif
